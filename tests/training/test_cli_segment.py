"""Promises of ``lightvessel segment``: names, formats, refusals before anything is written, bad files skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cine_files as files
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from src_training.cli import main

REPOSITORY = Path(__file__).parents[2]


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


def without_rights(words):
    """The command as somebody whom the modes of files hold, root or not."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    if drop and shutil.which("setpriv") is None:
        pytest.skip("root may read everything")
    command = [*drop, sys.executable, "-m", "src_training", *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def run_python(code, *words):
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=REPOSITORY
    )


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


@pytest.mark.parametrize("shape", [(64, 80), (1, 64, 80)])
def test_a_single_page_tif_is_an_image(tmp_path, shape):
    tifffile.imwrite(tmp_path / "one.tif", np.zeros(shape, np.uint8), photometric="minisblack")
    assert main(["segment", str(tmp_path / "one.tif"), "-o", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one.png"]


def test_a_dicom_of_one_frame_gives_a_tif_that_is_t_y_x(tmp_path):
    files.write_dicom(tmp_path / "one.dcm", files.grey(frames=1))
    assert main(["segment", str(tmp_path / "one.dcm"), "-o", str(tmp_path / "out")]) == 0
    assert tifffile.imread(tmp_path / "out" / "one.tif").shape == (1, 48, 64)


def test_files_named_by_uid_keep_their_last_number(tmp_path):
    (tmp_path / "uid").mkdir()
    for name in ("1.2.840.113619.2.1", "1.2.840.113619.2.2"):
        files.write_dicom(tmp_path / "uid" / name, files.grey(frames=1))
    assert main(["segment", str(tmp_path / "uid"), "-o", str(tmp_path / "out")]) == 0
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["1.2.840.113619.2.1.tif", "1.2.840.113619.2.2.tif"]


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


@pytest.mark.parametrize("frame", ["run.tif", "RUN.TIF"])
def test_a_cine_never_replaces_one_of_its_own_frames(tmp_path, monkeypatch, capsys, frame):
    (tmp_path / "run").mkdir()
    for name in (frame, "run2.tif"):
        tifffile.imwrite(tmp_path / "run" / name, np.zeros((64, 64), np.uint8), photometric="minisblack")
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    monkeypatch.chdir(tmp_path)
    assert main(["segment", "run", "--cine", "-o", "run"]) == 2
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before
    assert "would replace an input" in capsys.readouterr().err


def test_the_folder_one_stands_in_gives_its_name(tmp_path, monkeypatch, capsys):
    (tmp_path / "run9").mkdir()
    tifffile.imwrite(tmp_path / "run9" / "a.tif", np.zeros((64, 64), np.uint8), photometric="minisblack")
    monkeypatch.chdir(tmp_path / "run9")
    assert main(["segment", ".", "--cine", "-o", "../out"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run9.tif"]
    assert capsys.readouterr().out == "../out/run9.tif\n"


def test_a_folder_called_like_a_mask_is_named_and_the_other_frames_are_done(frames, tmp_path, capsys):
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    assert main(["segment", str(frames), "-o", str(tmp_path / "out")]) == 2
    assert "a.png: a folder is called so. Rename it" in capsys.readouterr().err
    assert (tmp_path / "out" / "b.png").is_file()


def test_files_that_are_no_images_are_counted(frames, tmp_path, capsys):
    (frames / "film.pdf").write_bytes(b"%PDF-1.7")
    for name in ("list.csv", "facts.json", "notes.txt", ".hidden"):
        (frames / name).write_text("x")
    assert main(["segment", str(frames), "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "left out" in line] == [
        "1 file(s) left out, which are no images: film.pdf"
    ]


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
        (["{in}", "-o", "{in}/a.png/sub"], "a.png: is a file, not a folder"),
        (["{in}", "-o", "/proc/foo"], "/proc/foo: this folder cannot be made"),
    ],
)
def test_user_errors_are_one_line_and_exit_2(frames, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    filled = [a.replace("{tmp}", str(tmp_path)).replace("{in}", str(frames)) for a in arguments]
    assert main(["segment", *filled]) == 2
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_file_that_cannot_be_written_is_one_line_and_the_others_are_tried(frames, tmp_path):
    code = (
        "import resource, sys; from src_training.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["segment", str(frames), "-o", str(tmp_path / "out"), "--probability"]
    done = run_python(code, *words)
    lines = [line for line in done.stderr.splitlines() if line.startswith("lightvessel: ")]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert [line.count("_prob.tif: not written: File too large.") for line in lines] == [1, 1, 1]
    assert "0 of 3 segmented" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "run.tif"]


INTERRUPTED = {
    "while importing": (
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
    ),
    "at work": "threading.Timer(4, os.kill, (os.getpid(), signal.SIGINT)).start()\n",
}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to oneself here")
@pytest.mark.parametrize("when", INTERRUPTED)
def test_ctrl_c_says_cancelled_and_shows_no_traceback(tmp_path, when):
    tifffile.imwrite(
        tmp_path / "x.tif", np.zeros((600, 512, 512), np.uint8), photometric="minisblack", compression="zlib"
    )
    # Whoever runs the tests in the background has Ctrl-C ignored, and children inherit that.
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = f"import os, signal, sys, threading\n{heard}{INTERRUPTED[when]}" + (
        "from src_training.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    words = ["segment", str(tmp_path / "x.tif"), "-o", str(tmp_path / "out")]
    done = run_python(code, *words)
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (130, ["lightvessel: cancelled"]), done.stderr
    assert "Traceback" not in done.stderr


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


def test_what_is_said_and_printed_of_any_name_is_one_printable_line(frames, tmp_path, capsys):
    (frames / "a.png").rename(frames / "a\x1b[31m\nsaved 123 r0001.png")
    (frames / "b.png").write_bytes(b"no picture")
    (frames / "b.png").rename(frames / "b\x9b\r\n.png")
    for words in (["segment", str(frames), "-o", str(tmp_path / "out")], ["info", str(frames)]):
        assert main(words) == 2
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 2  # a and run
        assert all(line.isprintable() for line in [*out.split("\n"), *err.split("\n")])
        assert r"a\x1b[31m\nsaved 123 r0001" in out and r"b\x9b\r\n.png" in err


@pytest.mark.skipif(os.name == "nt", reason="needs modes of files")
def test_an_unreadable_file_and_a_link_to_nothing_are_lines_and_the_others_are_done(frames, tmp_path):
    (frames / "a.png").chmod(0)
    (frames / "gone.png").symlink_to(tmp_path / "nowhere.png")
    words = ["segment", str(frames / "b.png"), str(frames / "a.png"), str(frames / "gone.png")]
    done = without_rights([*words, "-o", str(tmp_path / "out")])
    assert done.returncode == 2 and "Usage" not in done.stderr
    assert "a.png: opening failed" in done.stderr and "gone.png: there is no such file" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_links_to_nothing_in_a_folder_are_told(frames, tmp_path, capsys):
    (frames / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert main(["info", str(frames)]) == 2
    out, err = capsys.readouterr()
    assert (
        len(out.splitlines()) == 3
        and err == "lightvessel: gone.png: there is no such file. Check the path.\n"
    )


# -- masks that are there already, and masks beside their images --------------------------------------------


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_mask_of_another_cine_is_not_overwritten_unasked(frames, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["segment", str(frames / "run.tif"), "-o", str(out), "--threshold", "0.01"]) == 0
    before = contents(out)
    other = np.asarray(tifffile.imread(frames / "run.tif"))[:, ::-1, ::-1]
    (tmp_path / "other").mkdir()
    tifffile.imwrite(tmp_path / "other" / "run.tif", other, photometric="minisblack")
    again = ["segment", str(tmp_path / "other"), "-o", str(out), "--threshold", "0.3"]
    assert main(again) == 2
    assert contents(out) == before
    assert "run.tif: is there already and holds something else. Give --overwrite" in capsys.readouterr().err
    assert main([*again, "--overwrite"]) == 0
    assert contents(out) != before


def test_the_same_run_again_is_silent_and_a_corrected_mask_survives_it(frames, tmp_path, capsys):
    out, words = tmp_path / "out", ["segment", str(frames), "-o", str(tmp_path / "out"), "--probability"]
    assert main(words) == 0
    before = contents(out)
    assert main(words) == 0
    assert contents(out) == before
    (out / "a.png").write_bytes(b"corrected by hand")
    capsys.readouterr()
    assert main(words) == 2
    assert contents(out) == before | {"a.png": b"corrected by hand"}
    assert capsys.readouterr().err.count("is there already") == 1


FIELD = REPOSITORY / "tests" / "fixtures" / "field"


def test_a_mask_beside_its_image_is_neither_an_input_nor_a_frame(tmp_path, capsys):
    folder = FIELD / "mask-beside-its-image" / "pngs"
    assert main(["segment", str(folder), "-o", str(tmp_path / "each")]) == 0
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == ["f0.png", "f1.png", "f2.png"]
    assert "1 mask(s) beside their images left out: f1_mask.png" in capsys.readouterr().err
    assert main(["segment", str(folder), "--cine", "-o", str(tmp_path / "cine")]) == 0
    assert len(tifffile.imread(tmp_path / "cine" / "pngs.tif")) == 3
