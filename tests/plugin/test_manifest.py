"""The manifest: what napari reads before any of our code runs."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2._plugin_manager import PluginManager
from npe2.manifest.utils import import_python_name

from src_training.cine.sniff import SUFFIXES

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFEST = REPOSITORY / "napari_lightvessel" / "napari.yaml"


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(MANIFEST)


def test_the_manifest_at_the_root_is_the_one_in_the_package():
    assert (REPOSITORY / "napari.yaml").read_bytes() == MANIFEST.read_bytes()


def test_the_manifest_is_valid_and_every_command_resolves(manifest):
    manifest.validate_imports()
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name)), command.id


def test_what_the_plugin_offers(manifest):
    offered = manifest.contributions
    assert [w.display_name for w in offered.widgets] == ["LightVessel"]
    assert {s.key for s in offered.sample_data} == {"synthetic-cine", "arcade"}
    assert [r.accepts_directories for r in offered.readers] == [True]
    assert offered.writers[0].layer_types == ["labels"]
    assert "napari/layers/segment" in offered.menus


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("run.dcm", True),
        ("RUN.DCM", True),
        ("IM5", True),
        ("I0000012", True),
        ("1.2.840.113619.2.5", True),
        ("frame.webp", True),
        ("stack.tiff", True),
        ("cells.czi", False),
        ("table.csv", False),
        ("movie.mp4", True),
        ("film.gif", True),
        ("scan.bmp", True),
        ("scan.jp2", True),
        ("volume.nii.gz", False),
    ],
)
def test_the_reader_is_offered_for_angiograms_only(manifest, tmp_path, name, offered):
    path = tmp_path / name
    path.write_bytes(b"x")
    manager = PluginManager()
    manager.register(manifest)
    assert bool(list(manager.iter_compatible_readers(str(path)))) is offered


def test_the_reader_is_offered_for_every_suffix_that_the_core_reads_and_no_other(manifest):
    patterns = manifest.contributions.readers[0].filename_patterns
    assert {p for p in patterns if p.startswith("*")} == {f"*{suffix}" for suffix in (*SUFFIXES, ".zip")}


def test_patterns_without_a_dot_never_match_a_suffix(manifest):
    dotless = [p for p in manifest.contributions.readers[0].filename_patterns if p.startswith("[")]
    assert not any(fnmatch("a.b", pattern) for pattern in dotless)


def test_opening_the_dock_does_not_import_torch():
    code = (
        "import sys, napari\n"
        "from napari_lightvessel._dock import LightVesselWidget\n"
        "viewer = napari.Viewer(show=False)\n"
        "dock = LightVesselWidget(viewer)\n"
        "viewer.window.add_dock_widget(dock)\n"
        "found = [m for m in ('torch', 'openvino', 'pyqtgraph') if m in sys.modules]\n"
        "print('FOUND', found)\n"
        "viewer.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert "FOUND []" in done.stdout, done.stdout + done.stderr
