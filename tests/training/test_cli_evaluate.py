"""Promises of ``lightvessel evaluate``: pairs by name, says what has no partner, figures for machines."""

from __future__ import annotations

import json

import cine_files as files
import imagecodecs
import numpy as np
import pytest

from src_training import Predictor
from src_training.cli import main
from src_training.evaluation import METRICS
from src_training.samples import home_frames


@pytest.fixture
def folders(tmp_path):
    """Three real frames and their masks as {0, 255} PNG."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for frame in home_frames()[:3]:
        (tmp_path / "images" / f"{frame.name}.png").write_bytes(imagecodecs.png_encode(frame.image))
        mask = frame.label_for("syntax") * np.uint8(255)
        (tmp_path / "masks" / f"{frame.name}_mask.png").write_bytes(imagecodecs.png_encode(mask))
    return tmp_path


def run(folders, *more):
    return main(["evaluate", "--images", str(folders / "images"), "--masks", str(folders / "masks"), *more])


def test_figures_are_those_of_the_predictors_own_masks(folders, capsys):
    assert run(folders, "--json", "--model", "small-syntax") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["n"] == 3 and record["odd"] == 0 and set(METRICS) < set(record)
    predictor, dice = Predictor.load("small-syntax"), []
    for frame in home_frames()[:3]:
        found = predictor.mask(predictor.probability(frame.image)) == 1
        vessel = frame.label_for("syntax") == 1
        dice.append(2 * np.sum(found & vessel) / (found.sum() + vessel.sum()))
    assert record["dice"] == pytest.approx(np.mean(dice), abs=1e-5)


def test_the_difference_from_another_model_is_told_with_its_interval(folders, capsys):
    assert run(folders, "--json", "--model", "small-syntax", "--against", "small") == 0
    own, gap = map(json.loads, capsys.readouterr().out.splitlines())
    assert run(folders, "--json", "--model", "small") == 0
    other = json.loads(capsys.readouterr().out)
    assert (gap["model"], gap["against"]) == ("small-syntax", "small") and set(gap["difference"]) == set(
        METRICS
    )
    for metric, (mean, low, high) in gap["difference"].items():
        assert mean == pytest.approx(own[metric] - other[metric], abs=2e-6) and low <= mean <= high
    assert run(folders, "--json", "--model", "small", "--against", "small") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[1])["difference"]["dice"] == [0, 0, 0]


def test_side_branches_that_partial_masks_leave_out_are_no_errors(folders, capsys):
    records = []
    for more in ([], ["--partial"]):
        assert run(folders, "--json", "--model", "small", *more) == 0
        records.append(json.loads(capsys.readouterr().out))
    judged, forgiven = records
    assert forgiven["precision"] > judged["precision"] + 0.03
    assert forgiven["recall"] == pytest.approx(judged["recall"], abs=1e-6)  # the outlines are what they were


def test_unmatched_files_are_named_and_bad_ones_skipped(folders, capsys):
    (folders / "images" / "stray.png").write_bytes(imagecodecs.png_encode(np.zeros((64, 64), np.uint8)))
    first = sorted((folders / "masks").iterdir())[0]
    first.write_bytes(imagecodecs.png_encode(np.full((512, 512), 7, np.uint8)))
    assert run(folders, "--json") == 2
    said = capsys.readouterr()
    bad, summary = map(json.loads, said.out.splitlines())
    assert summary["n"] == 2 and first.name in bad["error"]
    assert "stray.png" in said.err and first.name in said.err


def test_masks_that_cannot_be_those_of_their_frames_are_told_with_the_figures(folders, capsys):
    white, turned, _sound = sorted((folders / "masks").iterdir())
    for path, changed in ((white, lambda mask: 255 - mask), (turned, np.flipud)):
        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(changed(imagecodecs.imread(path)))))
    assert run(folders, "--json", "--model", "nano") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["odd"] == 2
    assert f"{white.stem.removesuffix('_mask')}: vessel on 9" in said.err and "--invert-masks" in said.err
    assert "it fits upside down" in said.err
    assert "2 of 3 masks do not look like those of their frames, and count all the same" in said.err


def test_figures_that_do_not_exist_are_null(tmp_path, capsys):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(imagecodecs.png_encode(np.zeros((64, 64), np.uint8)))
    assert run(tmp_path, "--json", "--per-frame") == 0

    def refuse(constant):
        pytest.fail(f"{constant} is no JSON")

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line, parse_constant=refuse)["auc"] for line in lines] == [None, None]


def test_images_named_by_uid_find_their_masks(tmp_path, capsys):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for name in ("1.2.840.1", "1.2.840.2"):
        files.write_dicom(tmp_path / "images" / name, files.grey(frames=1))
        (tmp_path / "masks" / f"{name}_mask.png").write_bytes(
            imagecodecs.png_encode(np.eye(48, 64, dtype=np.uint8))
        )
    assert run(tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 2


def test_files_that_are_no_images_are_counted(folders, capsys):
    (folders / "images" / "film.pdf").write_bytes(b"%PDF-1.7")
    assert run(folders) == 0
    assert "1 file(s) left out, which are no images: film.pdf" in capsys.readouterr().err


def test_an_image_that_could_have_several_masks_is_told_and_not_judged_by_one_of_them(folders, capsys):
    mask = sorted((folders / "masks").iterdir())[0]
    twin = mask.with_name(mask.name.replace("_mask", ""))
    twin.write_bytes(imagecodecs.png_encode(np.zeros((512, 512), np.uint8)))
    assert run(folders, "--json") == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["n"] == 2
    assert f"{twin.name}: several masks ({twin.name}, {mask.name}). Keep one of them." in said.err


def test_images_and_masks_may_share_a_folder(folders, capsys):
    for mask in (folders / "masks").iterdir():
        mask.rename(folders / "images" / mask.name)
    assert (
        main(["evaluate", "--images", str(folders / "images"), "--masks", str(folders / "images"), "--json"])
        == 0
    )
    said = capsys.readouterr()
    assert json.loads(said.out)["n"] == 3 and "without a partner" not in said.err


def test_nothing_in_common_is_an_error(folders, capsys):
    for path in (folders / "masks").iterdir():
        path.rename(path.with_name("other-" + path.name))
    assert run(folders) == 2
    assert "no image has a mask" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "stress"])
def test_the_cure_of_a_mask_with_greys_is_one_that_works(command, folders, capsys):
    quick = {"evaluate": [], "stress": ["--frames", "1", "--trees", "1"]}[command]
    call = [
        command,
        *("--images", str(folders / "images")),
        *("--masks", str(folders / "masks")),
        "--json",
        *quick,
    ]
    assert main(call) == 0
    as_they_were = capsys.readouterr().out
    for path in (folders / "masks").iterdir():
        vessel = imagecodecs.png_decode(path.read_bytes()) > 0
        path.write_bytes(imagecodecs.png_encode(np.where(vessel, 200, 55).astype(np.uint8)))
    assert main(call) == 2 and "--mask-threshold" in capsys.readouterr().err
    assert main([*call, "--mask-threshold", "128"]) == 0
    assert capsys.readouterr().out == as_they_were


@pytest.mark.parametrize("below", ["", "run 1"], ids=["as given", "in a folder of the run"])
def test_the_cure_of_a_class_that_nobody_can_tell_is_one_that_works(below, folders, capsys):
    assert run(folders, "--json") == 0
    as_they_were = capsys.readouterr().out
    (folders / "labels.json").write_text(json.dumps({"labels": {"0": "background", "3": "thing"}}))
    (folders / "masks" / below).mkdir(exist_ok=True)
    for path in [*(folders / "masks").glob("*.png")]:
        vessel = imagecodecs.png_decode(path.read_bytes()) > 0
        path.unlink()
        drawn = imagecodecs.png_encode(vessel * np.uint8(3))
        (folders / "masks" / below / path.name).write_bytes(drawn)
    given = [
        "evaluate",
        "--images",
        str(folders / "images"),
        "--masks",
        str(folders / "masks" / below),
        "--json",
    ]
    assert main(given) == 2 and "thing" in (said := capsys.readouterr().err) and "--vessel-classes" in said
    assert main([*given, "--vessel-classes", "thing"]) == 0
    assert capsys.readouterr().out == as_they_were
