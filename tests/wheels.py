"""Our distributions, built from the tracked files alone, and fresh environments that hold their wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
OURS = ("napari_lightvessel", "src_training")
# What would let the child see more than a user's shell shows, or take another Qt than the one asked for.
_NOT_PASSED_ON = ("PYTHONPATH", "VIRTUAL_ENV", "QT_API", "PYTEST_QT_API", "QT_PLUGIN_PATH")


@dataclass(frozen=True)
class Built:
    """Paths of one sdist and of the wheel that was built from it."""

    sdist: Path
    wheel: Path


def tracked_files() -> list[str]:
    """Names of the files under version control that are there, relative to the repository."""
    listed = run(["git", "ls-files"], cwd=REPOSITORY).stdout.split("\n")
    return [name for name in listed if name and (REPOSITORY / name).is_file()]


def build_from_tracked_files(place: Path) -> Built:
    """What a clean clone gives: the sdist, and the wheel built from that sdist, in ``place``."""
    source = place / "source"
    for name in tracked_files():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((REPOSITORY / name).read_bytes())
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", place, source], cwd=place)
    (sdist,), (wheel,) = place.glob("*.tar.gz"), place.glob("*.whl")
    return Built(sdist, wheel)


def fresh_environment(place: Path, wheel: Path) -> Path:
    """The ``bin`` folder of a new environment with ``wheel`` in it; dependencies are lent by the running one.

    What is lent is a folder of links to each installed package but ours, so that neither our editable install nor
    its record is seen, and no ``.pth`` file is run.
    """
    environment = place / "venv"
    venv.create(environment, with_pip=False)
    lent = place / "lent"
    lent.mkdir()
    for package in _installed_packages():
        if not (lent / package.name).exists():
            (lent / package.name).symlink_to(package)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    (site / "lent.pth").write_text(f"{lent}\n")
    scripts = next(environment / folder for folder in ("bin", "Scripts") if (environment / folder).exists())
    install = ["install", "--no-deps", "--no-index", wheel]
    run([sys.executable, "-m", "pip", "--python", scripts / "python", *install])
    return scripts


def _installed_packages() -> Iterable[Path]:
    stems = (*OURS, "__editable__")
    for folder in dict.fromkeys(Path(entry).resolve() for entry in sys.path):
        if folder.name not in ("site-packages", "dist-packages"):
            continue
        for package in folder.iterdir():
            if package.suffix != ".pth" and not package.name.startswith(stems):
                yield package


def outside(**more: str) -> dict[str, str]:
    """The environment of a shell that knows nothing of this checkout, with ``more`` set."""
    return {**{k: v for k, v in os.environ.items() if k not in _NOT_PASSED_ON}, **more}


def run(
    command: Iterable[object], cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` outside this checkout; it must end with 0."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, env=env or outside(), check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done
