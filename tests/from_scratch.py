"""The journey of tests/installed_journey.py in environments that pip makes from nothing: ``make test-installed``.

Arguments name them as EXTRA:PYTHON, such as ``pyqt6:python3.13``. Where no CPU build of torch is offered, pip takes
the one with CUDA, several GB. Needs a network, some minutes, and xvfb-run where there is no screen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from wheels import REPOSITORY, build_from_tracked_files, outside


def main(asked: list[str]) -> int:
    """0 when every journey that could be tried went well; a Python that is not there is said and left out."""
    with tempfile.TemporaryDirectory(prefix="lightvessel-installed-") as folder:
        place = Path(folder)
        wheel = build_from_tracked_files(place).wheel
        print(f"built {wheel.name}", flush=True)
        ended = [
            _journey(place / str(number), wheel, *name.split(":", 1)) for number, name in enumerate(asked)
        ]
    return 1 if "failed" in ended or "went well" not in ended else 0


def _journey(place: Path, wheel: Path, extra: str, python: str) -> str:
    base = shutil.which(python)
    there = base and not subprocess.run([base, "-c", ""], capture_output=True, check=False).returncode
    ended = _try_it(place, wheel, extra, str(base)) if there else "left out: there is no such Python"
    print(f"{python} with {extra}: {ended}", flush=True)
    return ended


def _try_it(place: Path, wheel: Path, extra: str, base: str) -> str:
    place.mkdir()
    python = place / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = ["-m", "pip", "install", "--quiet", "-c", REPOSITORY / "constraints.txt", f"{wheel}[{extra}]"]
    script = shutil.copy(REPOSITORY / "tests" / "installed_journey.py", place)
    screen = (
        ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24 -nolisten tcp"] if shutil.which("xvfb-run") else []
    )
    for command in (
        [base, "-m", "venv", place / "venv"],
        [python, *install],
        [*screen, python, "-I", script, place / "workspace"],
    ):
        words = [str(word) for word in command]
        if subprocess.run(words, cwd=place, env=_environment(place), check=False).returncode:
            return "failed"
    return "went well"


def _environment(place: Path) -> dict[str, str]:
    settings = {
        "LIGHTVESSEL_CONFIG_DIR": place / "config",
        "LIGHTVESSEL_CACHE_DIR": place / "cache",
        "NAPARI_CONFIG": place / "napari.yaml",
    }
    screen = {"QT_QPA_PLATFORM": "xcb"} if sys.platform == "linux" else {}
    return outside(**{name: str(path) for name, path in settings.items()}, **screen)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:] or ["pyqt5:python3.11", "pyqt6:python3.13"]))
