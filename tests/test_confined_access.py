"""What may lie in a workspace is opened by `confined`, `durable` and `regular` alone: all else would follow links."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
CORE = REPOSITORY / "src_training"
#: Rooms whose files read or write workspaces.
ROOMS = ("dataset", "models", "runs")
FILES = ("workspace.py", "losing.py", "training/finetune.py", "training/checkpoint.py", "training/jobs.py")
#: Files of these rooms that work on what the user names, or on the user's own folder, and on no workspace.
OF_THE_USER = {
    "dataset/folders.py",
    "dataset/intake.py",
    "dataset/keyring.py",
    "dataset/mask_files.py",
    "dataset/outbox.py",
    "models/foreign.py",
    "models/importing.py",
    "models/library.py",
    "runs/machine.py",
    "runs/process.py",
}
METHODS = {
    *("open", "read_bytes", "read_text", "write_bytes", "write_text", "exists", "is_file", "is_dir", "stat"),
    *("iterdir", "glob", "rglob", "unlink", "rename", "mkdir", "rmdir", "touch", "symlink_to", "hardlink_to"),
    *("chmod", "walk", "resolve", "samefile", "lstat", "rmtree", "copytree", "copyfile", "copy2", "move"),
    *("listdir", "scandir", "remove", "removedirs", "makedirs", "truncate", "link", "symlink", "utime"),
}
OUR_OWN = {"confined", "durable", "reserve", "disk", "cls", "Workspace", "Dataset", "self"}


def findings(source: str) -> Iterator[str]:
    """Calls that open, ask after or change a file by its path."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "open":
            yield f"line {node.lineno}: open()"
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            base = ast.unparse(node.func.value)
            if base.split(".")[-1].split("(")[0] not in OUR_OWN:
                yield f"line {node.lineno}: {base}.{node.func.attr}()"


def judged() -> list[str]:
    found = [path for room in ROOMS for path in sorted((CORE / room).glob("*.py"))]
    return [
        one for one in (path.relative_to(CORE).as_posix() for path in found) if one not in OF_THE_USER
    ] + [*FILES]


@pytest.mark.parametrize("name", judged())
def test_no_file_of_a_workspace_is_opened_by_its_path(name):
    assert list(findings((CORE / name).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("name", sorted(OF_THE_USER))
def test_what_needs_no_exception_has_none(name):
    assert list(findings((CORE / name).read_text(encoding="utf-8"))) != []


@pytest.mark.parametrize(
    "source",
    [
        "open(folder / 'f')",
        "path.read_bytes()",
        "(folder / name).exists()",
        "os.listdir(folder)",
        "shutil.rmtree(folder)",
        "self.folder.iterdir()",
        "os.open(path, 0)",
    ],
)
def test_a_planted_call_is_found(source):
    assert len(list(findings(source))) == 1
