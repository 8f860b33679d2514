"""From a wheel in an environment that cannot see this checkout, the whole loop runs in napari: segment to promote."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys

import pytest
from wheels import REPOSITORY, outside, run

pytestmark = [pytest.mark.xdist_group("wheel"), pytest.mark.timeout(900)]


def _on_its_own_screen() -> list[str]:
    """Where there is a virtual screen, the window takes no focus from other tests' windows."""
    if shutil.which("xvfb-run") is None:
        return []
    return ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24 -nolisten tcp"]


@pytest.mark.slow
@pytest.mark.parametrize("binding", ["PyQt5", "PyQt6"])
def test_an_installed_wheel_segments_appends_finetunes_and_promotes(installed, tmp_path, binding):
    if importlib.util.find_spec(binding) is None:
        pytest.skip(f"{binding} is not installed")
    script = shutil.copy(REPOSITORY / "tests" / "installed_journey.py", tmp_path)
    screen = {"QT_QPA_PLATFORM": "xcb"} if sys.platform == "linux" else {}
    command = [*_on_its_own_screen(), installed / "python", "-I", script, tmp_path / "workspace"]
    done = run(command, cwd=tmp_path, env=outside(QT_API=binding.lower(), **screen))
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["qt"] == binding
    assert not any(str(REPOSITORY) in line for line in done.stderr.splitlines() if "Error" in line)
