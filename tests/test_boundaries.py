"""The arrow: napari/Qt → napari_lightvessel → src_training → numpy, pydantic, torch. Never back."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
CORE = REPOSITORY / "src_training"
GUI = ("napari", "napari_lightvessel", "qtpy", "PyQt5", "PyQt6", "PySide6", "superqt", "magicgui", "psygnal")
POSIX_ONLY = ("resource", "fcntl", "pwd", "grp", "termios")
CORE_MODULES = sorted(
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
    for path in CORE.rglob("*.py")
    if path.name != "__main__.py"
)
# The packages that a cold start or the widget imports, and that must therefore not pull torch in.
TORCH_FREE = [
    name
    for name in CORE_MODULES
    if not name.startswith(("src_training.training.", "src_training.networks.", "src_training.distillation."))
    or name.endswith(("settings", "recipe"))
]

BLOCKER = """
import importlib, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Blocker())
for module in MODULES:
    importlib.import_module(module)
"""


def run_python(code: str) -> subprocess.CompletedProcess:
    """A fresh interpreter without display."""
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=environment,
    )


def import_with_blocked(
    modules: list[str], blocked: tuple[str, ...], before: str = ""
) -> subprocess.CompletedProcess:
    """Import every module in a fresh interpreter in which ``blocked`` packages cannot be imported."""
    return run_python(f"{before}\nBLOCKED = {blocked!r}\nMODULES = {modules!r}\n{BLOCKER}")


def imported_packages(path: Path, *, top_level_only: bool) -> set[str]:
    """Names of the packages that a file imports, by its syntax tree."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _outside_functions(tree) if top_level_only else ast.walk(tree)
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def _outside_functions(node: ast.AST):
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _outside_functions(child)


def test_the_core_never_names_qt_napari_or_the_plugin():
    guilty = {
        str(path.relative_to(REPOSITORY)): found
        for path in CORE.rglob("*.py")
        if (found := imported_packages(path, top_level_only=False) & set(GUI))
    }
    assert guilty == {}


def test_every_core_module_imports_where_qt_and_napari_do_not_exist():
    done = import_with_blocked(CORE_MODULES, GUI)
    assert done.returncode == 0, done.stderr


def test_cold_start_modules_import_where_torch_does_not_exist():
    done = import_with_blocked(TORCH_FREE, (*GUI, "torch", "monai", "lightning_fabric"))
    assert done.returncode == 0, done.stderr


def test_importing_the_package_loads_neither_torch_nor_qt():
    done = run_python(
        "import src_training, sys; heavy = {'torch', 'qtpy', 'PyQt5', 'napari', 'openvino'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_resolves():
    import src_training

    for name in src_training.__all__:
        assert getattr(src_training, name) is not None


def test_no_module_needs_a_posix_only_one_to_be_imported():
    files = [*CORE.rglob("*.py"), *(REPOSITORY / "napari_lightvessel").rglob("*.py")]
    guilty = {
        str(path.relative_to(REPOSITORY)): found
        for path in files
        if (found := imported_packages(path, top_level_only=True) & set(POSIX_ONLY))
    }
    assert guilty == {}
    # psutil has a part for every system, and the one for this system may use what this system has.
    done = import_with_blocked(CORE_MODULES, (*GUI, *POSIX_ONLY), before="import psutil")
    assert done.returncode == 0, done.stderr


def test_the_plugin_uses_only_public_names_of_the_core():
    """A package of the core is a door; its inner modules are not."""
    doors = (
        {"src_training"}
        | {f"src_training.{path.name}" for path in CORE.iterdir()}
        | {f"src_training.{path.stem}" for path in CORE.glob("*.py")}
        | {"src_training.training.settings"}
    )
    for path in (REPOSITORY / "napari_lightvessel").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("src_training"):
                assert node.module in doors, f"{path.name} reaches into {node.module}"


@pytest.mark.parametrize("blocked", GUI[:2])
def test_the_blocker_really_blocks(blocked):
    """A harness must fail on a planted bug: importing what is blocked does fail."""
    assert import_with_blocked([blocked], (blocked,)).returncode != 0
