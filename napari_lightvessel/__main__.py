"""``python -m napari_lightvessel demo``: the main job in a real window, by hand or as a scripted tour."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 when every step of a tour succeeded."""
    asked = _parser().parse_args(argv)
    if _has_display():
        return _tour(asked.output) if asked.tour else _by_hand()
    if shutil.which("xvfb-run"):
        return _under_xvfb(asked.output)
    print("No display, and xvfb-run is not there to stand in: install xvfb, or set DISPLAY.", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m napari_lightvessel", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="open napari with the plugin and a segmented sample cine")
    demo.add_argument("--tour", action="store_true", help="let a script do the whole loop and record it")
    demo.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="where a tour writes (demo-output)"
    )
    return parser


def _by_hand() -> int:
    import napari

    from napari_lightvessel._demo import open_segmented_sample

    viewer, dock = open_segmented_sample()
    dock.segment.cine_button.click()
    viewer.window.show()
    napari.run()
    return 0


def _tour(output: Path) -> int:
    from napari_lightvessel._tour import Tour

    return Tour(output).run()


def _under_xvfb(output: Path) -> int:
    screen = "-screen 0 1600x1000x24 -nolisten tcp"
    command = ["xvfb-run", "-a", "-s", screen, sys.executable, "-m", "napari_lightvessel", "demo", "--tour"]
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    return subprocess.run([*command, "--output", str(output)], env=environment, check=False).returncode


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    raise SystemExit(main())
