"""``python -m src_training`` is the ``lightvessel`` command."""

from src_training.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
