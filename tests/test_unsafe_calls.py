"""Nothing here runs what a file says: no pickle, no eval, no shell, by whatever name; torch.load as data only."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PARTS = ("src_training", "napari_lightvessel", "tools", "benchmarks")
SOURCES = sorted(path for part in PARTS for path in (REPOSITORY / part).rglob("*.py"))
OURS = ("src_training.", "napari_lightvessel.")
#: Modules and functions that none may import, call or hand on; of a module everything in it.
BANNED = {
    *(
        "pickle",
        "_pickle",
        "cPickle",
        "dill",
        "cloudpickle",
        "shelve",
        "marshal",
        "joblib",
        "jsonpickle",
        "yaml",
    ),
    *("runpy", "code", "imp", "pandas.read_pickle"),
    *("builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__"),
    *("os.system", "os.popen", "posix.system", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("asyncio.create_subprocess_shell", "asyncio.subprocess.create_subprocess_shell"),
    *("torch.jit.load", "torch.hub", "torch.package", "torch.serialization.load"),
    *("shutil.unpack_archive", "numpy.lib.npyio.load", "numpy.lib.format.read_array"),
}
#: Of whatever object: archives write where their members say.
BANNED_METHODS = {"extract", "extractall", "unpack_archive", "read_pickle"}
#: Who may call torch.load, each with weights_only=True, and why.
LOADERS = {
    "src_training/training/imagenet.py": "weights of a package that the person has installed",
    "src_training/models/foreign.py": "weights from elsewhere, in a process of its own with a cap and a deadline",
}
LITERALS = {"torch.load": ("weights_only", "True"), "numpy.load": ("allow_pickle", "False")}


class Names:
    """What the names of a file mean, whatever they were imported or assigned as; one name may mean several things."""

    def __init__(self, tree: ast.Module) -> None:
        self._meanings: dict[str, set[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._add(alias.asname or alias.name.split(".")[0], alias.name if alias.asname else None)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self._add(alias.asname or alias.name, f"{node.module}.{alias.name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._meanings.setdefault(target.id, set()).update(self.of(node.value))

    def of(self, node: ast.AST) -> set[str]:
        """The full names that a name, an attribute or a ``getattr`` with a literal may stand for."""
        if isinstance(node, ast.Name):
            known = self._meanings.get(node.id, set())
            return known | {f"builtins.{node.id}"} if hasattr(builtins, node.id) else known
        if isinstance(node, ast.Attribute):
            return {f"{owner}.{node.attr}" for owner in self.of(node.value)}
        if isinstance(node, ast.Call) and "builtins.getattr" in self.of(node.func) and len(node.args) > 1:
            owner, name = node.args[:2]
            if isinstance(name, ast.Constant):
                return {f"{one}.{name.value}" for one in self.of(owner)}
        return set()

    def _add(self, name: str, meaning: str | None) -> None:
        self._meanings.setdefault(name, set()).add(meaning or name)


def findings(path: Path, source: str) -> Iterator[str]:
    """What this file does that none may."""
    tree = ast.parse(source)
    names = Names(tree)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (f"import {name}" for name in _imported(node) if _is_banned(name))
        for name in names.of(node):
            if _is_banned(name):
                yield name
            elif name in LITERALS and id(node) not in called:
                yield f"{name} handed on"
        if isinstance(node, ast.Call):
            yield from _call(path, node, names)


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names]


def _is_banned(name: str) -> bool:
    """By itself or by what it is in; of a star nobody knows what it brings."""
    parts = name.split(".")
    within = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return bool(within & BANNED) or parts[-1] == "*"


def _call(path: Path, node: ast.Call, names: Names) -> Iterator[str]:
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if isinstance(node.func, ast.Attribute) and node.func.attr in BANNED_METHODS:
        yield f".{node.func.attr}()"
    if given.get("shell", "False") != "False":
        yield f"{ast.unparse(node.func)}(shell=…)"
    for name in names.of(node.func):
        if name in LITERALS and given.get(LITERALS[name][0]) != LITERALS[name][1]:
            yield f"{name} without {'='.join(LITERALS[name])}"
        if name == "torch.load" and path.relative_to(REPOSITORY).as_posix() not in LOADERS:
            yield f"{name} outside {', '.join(sorted(LOADERS))}"
        if name in ("importlib.import_module", "importlib.util.spec_from_file_location"):
            yield from _by_text(name, node.args[0] if node.args else None)


def _by_text(name: str, module: ast.expr | None) -> Iterator[str]:
    """A module named by a text: a literal one that is not banned, or one of ours."""
    begins = module.values[0] if isinstance(module, ast.JoinedStr) and module.values else module
    text = str(begins.value) if isinstance(begins, ast.Constant) else ""
    if isinstance(begins, ast.FormattedValue) and ast.unparse(begins.value) == "__name__":
        text = OURS[0]
    if module is begins and text:
        if _is_banned(text):
            yield f"{name}({text!r})"
    elif not text.startswith(OURS):
        yield f"{name}(…)"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_no_file_calls_what_runs_foreign_code(path):
    assert list(findings(path, path.read_text(encoding="utf-8"))) == []


def test_every_place_that_may_load_does():
    """A place that no longer needs it leaves the list."""
    for place in LOADERS:
        assert "torch.load(" in (REPOSITORY / place).read_text(encoding="utf-8")


PLANTED = {
    "import pickle": "import pickle",
    "from pickle import load": "import pickle.load",
    "import _pickle": "import _pickle",
    "import yaml": "import yaml",
    "from os import *": "import os.*",
    "eval('1')": "builtins.eval",
    "map(eval, lines)": "builtins.eval",
    "from builtins import eval as e\ne('1')": "builtins.eval",
    "import builtins as b\nb.exec('1')": "builtins.exec",
    "run = eval\nrun('1')": "builtins.eval",
    "__import__('pickle')": "builtins.__import__",
    "import importlib\nimportlib.import_module('pickle')": "importlib.import_module('pickle')",
    "from importlib import import_module as get\nget(name)": "importlib.import_module(…)",
    "import importlib\nimportlib.import_module(f'{name}.x')": "importlib.import_module(…)",
    "from os import system": "import os.system",
    "import os as o\no.system('ls')": "os.system",
    "import os\ngetattr(os, 'system')('ls')": "os.system",
    "import subprocess\nsubprocess.run('ls', shell=True)": "subprocess.run(shell=…)",
    "import subprocess as s\ns.getoutput('ls')": "subprocess.getoutput",
    "from asyncio import create_subprocess_shell as c": "import asyncio.create_subprocess_shell",
    "import asyncio\nasyncio.create_subprocess_shell('ls')": "asyncio.create_subprocess_shell",
    "import zipfile\nzipfile.ZipFile(f).extractall('.')": ".extractall()",
    "import tarfile\ntarfile.open(f).extract('a', '.')": ".extract()",
    "import shutil\nshutil.unpack_archive(f)": "shutil.unpack_archive",
    "import pandas as pd\npd.read_pickle(f)": "pandas.read_pickle",
    "import numpy as np\nnp.load(f)": "numpy.load without allow_pickle=False",
    "from numpy import load\nload(f, allow_pickle=True)": "numpy.load without allow_pickle=False",
    "import numpy\nnumpy.load(f, allow_pickle=wanted)": "numpy.load without allow_pickle=False",
    "import torch\ntorch.load(f, weights_only=True)": "torch.load outside",
    "import torch\ntorch.load(f, weights_only=False)": "torch.load without weights_only=True",
    "from torch import load\nload(f)": "torch.load without weights_only=True",
    "def f():\n    import torch as t\n    t.load(f)": "torch.load without weights_only=True",
    "import torch\nread = torch.load\nread(f)": "torch.load handed on",
    "import torch\nmap(torch.load, files)": "torch.load handed on",
    "import torch\ntorch.jit.load(f)": "torch.jit.load",
    "from torch import jit\njit.load(f)": "torch.jit.load",
    "import torch.jit as j\nj.load(f)": "torch.jit.load",
}


@pytest.mark.parametrize("source", PLANTED)
def test_a_planted_call_is_found(source):
    found = " | ".join(findings(REPOSITORY / "src_training" / "planted.py", source))
    assert PLANTED[source] in found


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile('a')",
        "network.eval()",
        "import numpy as np\nnp.load(f, allow_pickle=False)",
        "import importlib\nimportlib.import_module(f'src_training.cli.{part}')",
        "import importlib\nimportlib.import_module(f'{__name__}.{part}')",
        "import os\ngetattr(os, 'O_BINARY', 0)",
        "import subprocess\nsubprocess.run(['ls'], check=True)",
        "from safetensors.torch import load\nload(data)",
    ],
)
def test_what_looks_alike_is_let_be(source):
    assert list(findings(REPOSITORY / "src_training" / "planted.py", source)) == []
