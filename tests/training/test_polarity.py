"""Whether vessels are dark or bright is decided in one place, told, stored, and can be told otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import cine_files as files
import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from src_training.cine import Polarity, array_cine, polarity_of, read_cine, synthetic_cine
from src_training.cine.cine import Cine
from src_training.cli import main
from src_training.errors import UnreadableCine
from src_training.samples import home_frames
from src_training.workspace import Workspace

FIELD = Path(__file__).parents[1] / "fixtures" / "field" / "bright-vessels-in-the-shell"


def dice(one, other):
    return 2 * np.sum(one & other) / (one.sum() + other.sum())


def segment(capsys, *words):
    code = main(["segment", "--json", *map(str, words)])
    out, err = capsys.readouterr()
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()], err


def mask_of(record):
    path = Path(record["mask"])
    return (tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))) == 1


def test_bright_vessels_are_segmented_as_their_dark_picture_is(tmp_path, capsys):
    (bright, dark), err = segment(capsys, FIELD, "-o", tmp_path)
    assert (bright["vessels_bright"], bright["polarity"]) == (True, "detected")
    assert (dark["vessels_bright"], dark["polarity"]) == (False, "detected")
    assert "bright.webp" in err and "--vessels dark" in err and "dark.webp and" not in err
    assert bright["vessel_share"] > 0.03
    assert dice(mask_of(bright), mask_of(dark)) > 0.9


@pytest.mark.parametrize(
    ("words", "bright"),
    [
        (["--vessels", "bright"], True),
        (["--invert"], True),
        (["--vessels-bright"], True),
        (["--vessels", "dark"], False),
    ],
)
def test_what_a_person_says_is_not_questioned(tmp_path, capsys, words, bright):
    (record,), err = segment(capsys, FIELD / "dark.webp", "-o", tmp_path, *words)
    assert (record["vessels_bright"], record["polarity"]) == (bright, "told")
    assert "look bright" not in err
    (automatic,), _ = segment(capsys, FIELD / "dark.webp", "-o", tmp_path / "auto")
    assert (dice(mask_of(record), mask_of(automatic)) > 0.9) is not bright


def test_two_answers_at_once_are_refused(tmp_path, capsys):
    words = ["segment", str(FIELD), "-o", str(tmp_path), "--vessels", "dark", "--invert"]
    assert main(words) == 2
    assert "contradict each other" in capsys.readouterr().err


def test_the_middle_of_a_cine_decides_not_its_first_frames(tmp_path, capsys):
    cine = np.asarray(synthetic_cine(5, n_frames=12, shape=(256, 256)).cine.stack())
    bright = 255 - cine
    bright[:2] = np.random.default_rng(0).integers(90, 110, bright[:2].shape)
    tifffile.imwrite(tmp_path / "run.tif", bright, photometric="minisblack")
    (record,), _ = segment(capsys, tmp_path / "run.tif", "-o", tmp_path / "out")
    assert record["vessels_bright"] is True


def test_in_doubt_it_is_dark_and_that_is_told(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (128, 128)).astype(np.uint8)
    (tmp_path / "fog.png").write_bytes(imagecodecs.png_encode(noise))
    (record,), err = segment(capsys, tmp_path / "fog.png", "-o", tmp_path / "out")
    assert (record["vessels_bright"], record["polarity"]) == (False, "assumed")
    assert "neither clearly dark nor bright in fog.png" in err


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 40), st.floats(0.2, 200), st.floats(-500, 500), st.sampled_from([np.float32, np.float64])
)
def test_any_scale_of_grey_has_the_same_polarity(seed, gain, offset, dtype):
    frame = synthetic_cine(seed, n_frames=1, shape=(192, 224)).cine.frame(0).astype(dtype)
    dark, bright = (polarity_of(array_cine((sign * gain * frame + offset).astype(dtype))) for sign in (1, -1))
    assert not dark.bright
    assert bright.bright or bright.source == "assumed"
    assert dark.source == bright.source


def test_frames_that_cannot_be_read_are_passed_over(tmp_path):
    class Half:
        shape, dtype = (10, 256, 256), np.dtype(np.uint8)

        def decode(self, t):
            if t % 2:
                raise UnreadableCine("run: damaged. Copy it again.")
            return 255 - whole[t]

    whole = np.asarray(synthetic_cine(5, n_frames=10, shape=(256, 256)).cine.stack())
    _, grey, header = array_cine(whole).parts
    assert polarity_of(Cine(Half(), name="run", grey=grey, header=header)).bright
    Half.decode = lambda self, t: Half.decode_nothing()
    Half.decode_nothing = staticmethod(lambda: (_ for _ in ()).throw(UnreadableCine("run: gone.")))
    assert polarity_of(Cine(Half(), name="run", grey=grey, header=header)).source == "assumed"


@pytest.fixture
def folders(tmp_path):
    """Real frames with their masks, dark and turned over."""
    for name in ("dark", "bright", "masks"):
        (tmp_path / name).mkdir()
    for frame in home_frames()[:4]:
        for name, image in (("dark", frame.image), ("bright", 255 - frame.image)):
            (tmp_path / name / f"{frame.name}.png").write_bytes(imagecodecs.png_encode(image))
        mask = frame.label_for("syntax") * np.uint8(255)
        (tmp_path / "masks" / f"{frame.name}.png").write_bytes(imagecodecs.png_encode(mask))
    return tmp_path


def test_evaluate_judges_bright_vessels_as_dark_ones(folders, capsys):
    found = {}
    for name in ("dark", "bright"):
        assert (
            main(["evaluate", "--json", "--images", str(folders / name), "--masks", str(folders / "masks")])
            == 0
        )
        found[name] = json.loads(capsys.readouterr().out)
    assert (found["dark"]["vessels_bright"], found["bright"]["vessels_bright"]) == (0, 4)
    assert found["bright"]["dice"] == pytest.approx(found["dark"]["dice"], abs=0.02)


@pytest.mark.parametrize("way", ["append", "import"])
@pytest.mark.parametrize("look", ["dark", "bright"])
def test_what_is_saved_says_how_its_vessels_look(folders, capsys, way, look):
    assert main(["dataset", "init", str(folders / "w")]) == 0
    name = home_frames()[0].name
    if way == "append":
        words = ["--image", folders / look / f"{name}.png", "--mask", folders / "masks" / f"{name}.png"]
    else:
        words = ["--images", folders / look, "--masks", folders / "masks"]
    assert main(["dataset", way, str(folders / "w"), *map(str, words)]) == 0
    assert ("look bright" in capsys.readouterr().err) is (look == "bright")
    dark = {frame.image.tobytes(): frame.image for frame in home_frames()[:4]}
    heads = list(Workspace.open(folders / "w").dataset.heads())
    assert len(heads) == (1 if way == "append" else 4)
    for revision in heads:
        assert revision.record["vessels_bright"] is (look == "bright")
        frame = revision.frame()
        assert min(np.ptp(image.astype(int) - frame) for image in dark.values()) == 0


def test_of_real_cines_no_polarity_is_wrong(shared_data):
    for folder in sorted((shared_data / "cine").iterdir()):
        cine = read_cine(folder, as_cine=True)
        stack = np.asarray(cine.stack())
        assert not polarity_of(cine).bright
        assert polarity_of(array_cine(255 - stack)).bright, folder.name


def test_a_dicom_of_bright_vessels_is_noticed(tmp_path, capsys):
    stack = 255 - np.asarray(synthetic_cine(3, n_frames=5, shape=(256, 256)).cine.stack())
    files.write_dicom(tmp_path / "run.dcm", stack)
    (record,), _ = segment(capsys, tmp_path / "run.dcm", "-o", tmp_path / "out")
    assert record["vessels_bright"] is True and record["polarity"] == "detected"


@pytest.mark.parametrize("side", [96, 128, 160, 191])
@pytest.mark.parametrize("seed", [1, 4])
def test_of_a_picture_too_small_to_tell_dark_is_assumed(seed, side):
    cine = synthetic_cine(seed, n_frames=12, shape=(side, 256)).cine
    assert polarity_of(cine) == Polarity(False, "assumed")
