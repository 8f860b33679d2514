"""What every process that we start has in common: whose code it runs, and how many threads it takes."""

from __future__ import annotations

import os
import site
import subprocess
import sysconfig
from pathlib import Path

import src_training

_HOME = Path(src_training.__file__).resolve().parent.parent


def clean_environment(threads: int) -> dict[str, str]:
    """The environment of a process of ours: it finds this very package, and nothing of the folder we happen to be in.

    An installed package is found without help. Named in PYTHONPATH, all of site-packages would come before the
    standard library.
    """
    checkout = [] if _HOME in _site_packages() else [str(_HOME)]
    paths = [*checkout, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **({"PYTHONPATH": os.pathsep.join(paths)} if paths else {}),
        "PYTHONSAFEPATH": "1",  # no module of the folder we happen to be in
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",  # a crash in native code leaves its stack in log.txt
        "PYTHONIOENCODING": "utf-8",
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": str(threads),
    }


def _site_packages() -> set[Path]:
    """The folders of installed packages that this interpreter looks into by itself."""
    folders = [*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return {Path(folder).resolve() for folder in folders}


def windows_flags() -> int:
    """No console window, and no share in the Ctrl-C of ours; nothing elsewhere."""
    names = ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP")
    return sum(int(getattr(subprocess, name, 0)) for name in names)
