"""The ``lightvessel`` command: every button of the plugin is one command here."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import typer

from src_training.errors import LightVesselError

# Set before any OpenMP runtime loads: spinning threads make torch 30x slower on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_SINGLE = ("info", "segment", "evaluate", "doctor", "train", "finetune")
_GROUPS = ("dataset", "models", "runs")
# Typer brings its own copy of click, or uses the installed one: this is ClickException of the right one.
_WrongCall: type[Exception] = typer.BadParameter.__mro__[2]


def build_app() -> typer.Typer:
    """Assemble the command from its parts: ``cli/<part>.py`` exposes ``register(app)``."""
    app = typer.Typer(
        name="lightvessel",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Segment coronary angiograms, keep a dataset, fine-tune. Research use only, not for diagnosis.",
    )
    for part in (*_SINGLE, *_GROUPS, "run"):
        importlib.import_module(f"src_training.cli.{part}").register(app)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (0, 1 unexpected, 2 bad input, 3 refused, 130 cancelled)."""
    try:
        code = build_app()(args=list(argv) if argv is not None else None, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except LightVesselError as error:
        print(f"lightvessel: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        print("lightvessel: cancelled", file=sys.stderr, flush=True)
        return 130
    except typer.Exit as leave:
        return leave.exit_code
    except typer.Abort:
        return 130
    except _WrongCall as error:
        error.show()  # type: ignore[attr-defined]
        return 2
    except Exception as error:
        import traceback

        traceback.print_exc()
        print(f"lightvessel: unexpected {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
