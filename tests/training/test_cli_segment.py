"""Promises of ``lightvessel segment``: names, formats, refusals before anything is written, bad files skipped."""

from __future__ import annotations

import json
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from src_training.cli import main


@pytest.fixture
def frames(tmp_path):
    """A folder with two images and a three-frame TIFF."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.png").write_bytes(imagecodecs.png_encode(_stripe(rng)))
    tifffile.imwrite(folder / "run.tif", np.stack([_stripe(rng)] * 3), photometric="minisblack")
    return folder


def _stripe(rng) -> np.ndarray:
    frame = rng.normal(170, 6, (96, 128))
    frame[40:46, 10:110] -= 70
    return frame.clip(0, 255).astype(np.uint8)


def test_an_image_gives_an_indexed_png_and_a_cine_a_tif(frames, tmp_path, capsys):
    assert main(["segment", str(frames), "-o", str(tmp_path / "out")]) == 0
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "b.png", "run.tif"]
    picture = Image.open(out / "a.png")
    assert picture.mode == "P" and picture.size == (128, 96)
    assert set(np.unique(np.asarray(picture))) <= {0, 1}
    assert len(set(picture.convert("RGB").getdata())) == len(np.unique(np.asarray(picture)))
    cine = tifffile.imread(out / "run.tif")
    assert cine.shape == (3, 96, 128) and cine.dtype == np.uint8 and cine.max() <= 1
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_single_page_tif_is_still_t_y_x(tmp_path):
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((64, 80), np.uint8), photometric="minisblack")
    assert main(["segment", str(tmp_path / "one.tif"), "-o", str(tmp_path / "out")]) == 0
    assert tifffile.imread(tmp_path / "out" / "one.tif").shape == (1, 64, 80)


def test_probability_is_written_beside_the_mask(frames, tmp_path):
    assert main(["segment", str(frames / "a.png"), "-o", str(tmp_path / "out"), "--probability"]) == 0
    probability = tifffile.imread(tmp_path / "out" / "a_prob.tif")
    assert probability.dtype == np.float32 and probability.shape[-2:] == (96, 128)


def test_a_threshold_that_is_higher_marks_less(frames, tmp_path):
    areas = []
    for threshold in ("0.1", "0.9"):
        main(["segment", str(frames / "run.tif"), "-o", str(tmp_path / threshold), "--threshold", threshold])
        areas.append(int(tifffile.imread(tmp_path / threshold / "run.tif").sum()))
    assert areas[0] >= areas[1]


def test_a_folder_with_cine_is_one_acquisition(tmp_path):
    folder = tmp_path / "run7"
    folder.mkdir()
    for t in range(3):
        (folder / f"frame{t}.png").write_bytes(imagecodecs.png_encode(np.full((64, 64), 50 * t, np.uint8)))
    assert main(["segment", str(folder), "-o", str(tmp_path / "out"), "--cine"]) == 0
    assert tifffile.imread(tmp_path / "out" / "run7.tif").shape == (3, 64, 64)


def test_one_bad_file_is_reported_and_the_rest_are_done(frames, tmp_path, capsys):
    (frames / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    assert main(["segment", str(frames), "-o", str(tmp_path / "out")]) == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "run.tif"]
    said = capsys.readouterr().err
    assert "bad.png" in said and "Traceback" not in said


def test_an_output_equal_to_an_input_is_refused_before_anything_is_written(frames, capsys):
    before = {p.name: p.read_bytes() for p in frames.iterdir()}
    assert main(["segment", str(frames), "-o", str(frames)]) == 2
    assert {p.name: p.read_bytes() for p in frames.iterdir()} == before
    assert "would replace an input" in capsys.readouterr().err


def test_two_inputs_with_one_stem_are_refused_before_anything_is_written(frames, tmp_path, capsys):
    tifffile.imwrite(frames / "a.tif", np.zeros((2, 64, 64), np.uint8), photometric="minisblack")
    assert main(["segment", str(frames), "-o", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
    assert "would both write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/missing.png", "-o", "{tmp}/out"], "missing.png"),
        (["{tmp}/empty", "-o", "{tmp}/out"], "no angiograms"),
        (["{in}", "-o", "{tmp}/out", "--model", "nothing"], "nothing"),
        (["{in}", "-o", "{tmp}/out", "--runtime", "magic"], "--runtime"),
        (["{in}", "-o", "{tmp}/out", "--workspace", "{tmp}/empty"], "workspace"),
        (["{in}", "-o", "{in}/a.png"], "a.png"),
    ],
)
def test_user_errors_are_one_line_and_exit_2(frames, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    filled = [a.replace("{tmp}", str(tmp_path)).replace("{in}", str(frames)) for a in arguments]
    assert main(["segment", *filled]) == 2
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said


@pytest.mark.parametrize("arguments", [["segment", "--bogus"], ["segment"], ["bogus"], ["models", "bogus"]])
def test_a_wrong_call_exits_2_without_a_traceback(capsys, arguments):
    assert main(arguments) == 2
    said = "".join(capsys.readouterr())
    assert said.strip() and "Traceback" not in said


def test_json_lines_name_input_mask_model_and_frames(frames, tmp_path, capsys):
    main(["segment", str(frames), "-o", str(tmp_path / "out"), "--json"])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["frames"] for r in records] == [1, 1, 3]
    assert all(r["model"] == "small" for r in records)


def test_the_command_never_imports_torch_or_qt(frames, tmp_path):
    code = (
        "import sys; from src_training.cli import main; "
        f"code = main(['segment', {str(frames)!r}, '-o', {str(tmp_path / 'out')!r}]); "
        "found = {'torch', 'qtpy', 'PyQt5', 'napari'} & set(sys.modules); sys.exit(str(found) if found else code)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_shared_dicom_segments(shared_data, tmp_path):
    files = sorted((shared_data / "dicom").glob("*/*.dcm"))
    assert main(["segment", *map(str, files), "-o", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").glob("*.tif"))) == len(files)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99", "mps:7"])
def test_a_device_that_is_not_there_is_one_line(device, frames, tmp_path, capsys):
    assert main(["segment", str(frames / "a.png"), "-o", str(tmp_path / "out"), "--device", device]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert device in line and "cpu" in line
