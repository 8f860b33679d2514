"""Promises of export and import: the split by patient goes along, pixels come back equal, nobody is named."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from unittest import mock

import imagecodecs
import numpy as np
import pytest
import skimage.draw
from forking import forked
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from listing import outside_of_settings

from src_training import Frame, Origin, Workspace
from src_training.cine.cine import Grey
from src_training.cli import main
from src_training.errors import DatasetError
from src_training.exchange import FORMATS, export, records, shapes
from src_training.exchange.filling import fill
from src_training.exchange.polygons import polygons_of

SIZE = (40, 56)


def picture(seed: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, SIZE).astype(dtype)


def ringed(seed: int) -> np.ndarray:
    """A mask with a hole, a speck in it, and an unreviewed strip."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    far = np.hypot(y - 18, x - 25 - seed % 5)
    mask = ((far < 14) & (far > 7)).astype(np.uint8)
    mask[18, 25] = 1
    mask[-3:] = 255
    return mask


@pytest.fixture
def workspace(tmp_path):
    """Thirty frames of ten patients, one of nobody knows whom, and two that stay at home."""
    # Of ten patients all may fall on one side by chance; with these they do not.
    made = Workspace.create(tmp_path / "ws", split_salt="11" * 32, site_key=b"k" * 32)
    for seed in range(30):
        dtype = np.uint8 if seed % 2 else np.uint16
        made.dataset.append(Frame(picture(seed, dtype), f"Doe^{seed % 10}"), ringed(seed))
    made.dataset.append(Frame(picture(50)), np.zeros(SIZE, np.uint8), Origin("no_vessel"))
    made.dataset.append(Frame(picture(51), "Roe^1"), np.full(SIZE, 255, np.uint8), Origin("not_evaluable"))
    made.dataset.append(Frame(picture(52), "Roe^1"), ringed(1), Origin("rejected"))
    return made


def png(path: Path) -> np.ndarray:
    return imagecodecs.png_decode(path.read_bytes())


def stored(workspace: Workspace) -> dict[bytes, np.ndarray]:
    """Mask by pixels, of everything that was reviewed."""
    heads = [h for h in workspace.dataset.heads() if h.status in ("accepted", "no_vessel")]
    return {head.image().tobytes(): head.mask() for head in heads}


def mask_of(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for polygon in polygons:
        fill(mask, polygon, True)
    return mask


@settings(max_examples=150, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)))
def test_polygons_come_back_to_the_pixel(mask):
    assert np.array_equal(mask_of(polygons_of(mask), mask.shape), mask)


def test_polygons_of_pieces_with_many_holes_come_back_to_the_pixel():
    mask = np.ones((60, 60), bool)
    mask[5:55:5, 5:55:5] = mask[6:56:5, 6:56:5] = False
    mask[20:40, 20:40] = False
    mask[25:35, 25:35] = True
    mask[28:31, 28:31] = False
    assert np.array_equal(mask_of(polygons_of(mask), mask.shape), mask)


POINTS = st.lists(st.tuples(*[st.integers(-20, 60)] * 2), min_size=3, max_size=9)


@settings(max_examples=300, deadline=None)
@given(POINTS, st.sampled_from([1, 0.5, 0.25, 0.1, 1 / 3]), st.tuples(*[st.integers(1, 17)] * 2))
def test_a_polygon_is_filled_as_skimage_fills_it(points, step, shape):
    polygon = np.array(points) * step
    expected = np.zeros(shape, bool)
    expected[skimage.draw.polygon(polygon[:, 1] - 0.5, polygon[:, 0] - 0.5, shape)] = True
    assert np.array_equal(mask_of([polygon], shape), expected)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_names_nobody_and_leaves_the_workspace_as_it_was(workspace, tmp_path, kind):
    before = {path: path.stat().st_mtime_ns for path in workspace.path.rglob("*")}
    frames = export(workspace.dataset, kind, tmp_path / "out")
    assert (
        len(frames) == 31 and {path: path.stat().st_mtime_ns for path in workspace.path.rglob("*")} == before
    )
    keys = {head.patient_key for head in workspace.dataset.heads()} - {None}
    for path in (tmp_path / "out").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in (b"Doe", b"Roe", *(key.encode() for key in keys)):
            assert secret not in content and secret.decode() not in str(path)
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize("kind", FORMATS)
def test_no_patient_is_on_two_sides(workspace, tmp_path, kind):
    frames = export(workspace.dataset, kind, tmp_path / "out")
    sides: dict[str, set[str]] = {}
    for frame in frames:
        sides.setdefault(frame.patient, set()).add(frame.split)
    assert len(sides) == 11 and all(len(found) == 1 for found in sides.values())
    assert sides["unknown"] == {"train"} and len({frozenset(found) for found in sides.values()}) > 1
    heads = {head.case: head.bucket for head in workspace.dataset.heads()}
    assert all(heads[frame.name] == frame.split for frame in frames)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_picture_is_on_two_sides(workspace, tmp_path, kind, capsys):
    for seed in range(30):
        workspace.dataset.append(Frame(picture(seed, np.uint8 if seed % 2 else np.uint16)), ringed(seed))
    out = tmp_path / "out"
    assert main(["dataset", "export", str(workspace.path), "-o", str(out), "--format", kind, "--json"]) == 0
    said = capsys.readouterr()
    told, heads = json.loads(said.out), workspace.dataset.heads(status="accepted")
    elsewhere = sum(head.bucket != "train" for head in heads)
    assert told["test"] and told["frames"] == 61 - elsewhere
    assert f"{elsewhere} of 61 frames left out: the same picture" in said.err


ROUND_TRIPS = {
    "png": lambda out: ["--images", str(out / "images"), "--masks", str(out / "masks")],
    "nnunet": lambda out: ["--nnunet", str(out)],
    "nifti": lambda out: [str(out)],
    "labelme": lambda out: [str(out)],
    "yolo": lambda out: [str(out)],
}


@pytest.mark.parametrize("kind", ROUND_TRIPS)
def test_a_round_trip_is_equal_to_the_pixel(workspace, tmp_path, kind, capsys):
    assert (
        main(["dataset", "export", str(workspace.path), "-o", str(tmp_path / "out"), "--format", kind]) == 0
    )
    back = Workspace.create(tmp_path / "back")
    # Pictures of noise, and a frame without vessels, of which no picture of a mask can say that a person looked.
    source = [*ROUND_TRIPS[kind](tmp_path / "out"), "--accept-implausible"]
    assert main(["dataset", "import", str(back.path), *source]) == 0
    before, after = stored(workspace), stored(back)
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_a_round_trip_through_coco_is_equal_to_the_pixel(workspace, tmp_path, capsys):
    out = tmp_path / "out"
    export(workspace.dataset, "coco", out)
    back = Workspace.create(tmp_path / "back")
    for split in ("train", "val", "test"):
        source = [
            "--images",
            str(out / split / "images"),
            "--coco",
            str(out / split / "annotations" / f"{split}.json"),
        ]
        if any((out / split / "images").glob("*")):
            assert main(["dataset", "import", str(back.path), *source]) == 0
    said = capsys.readouterr().err
    before, after = stored(workspace), stored(back)
    empty = [key for key in before if key not in after]  # COCO cannot tell "no vessel" from "nobody looked"
    assert len(empty) == 1 and not before[empty[0]].any() and "no annotation" in said
    assert all(np.array_equal(before[key], after[key]) for key in after)


def test_nnunet_gets_consecutive_labels_and_its_own_fold(workspace, tmp_path):
    out = tmp_path / "out"
    frames = export(workspace.dataset, "nnunet", out)
    facts = json.loads((out / "dataset.json").read_text())
    (fold,) = json.loads((out / "splits_final.json").read_text())
    assert facts["labels"] == {"background": 0, "vessel": 1, "ignore": 2} and facts["file_ending"] == ".png"
    by_split = {
        split: sorted(f.name for f in frames if f.split == split) for split in ("train", "val", "test")
    }
    assert (sorted(fold["train"]), sorted(fold["val"])) == (by_split["train"], by_split["val"])
    assert (
        facts["numTraining"]
        == len(list((out / "imagesTr").glob("*_0000.png")))
        == len(fold["train"] + fold["val"])
    )
    assert sorted(path.stem for path in (out / "labelsTs").glob("*")) == by_split["test"]
    assert set(np.unique(png(next((out / "labelsTr").glob("*"))))) <= {0, 1, 2}


def test_monais_list_names_files_that_are_there(workspace, tmp_path):
    out = tmp_path / "out"
    export(workspace.dataset, "monai", out)
    record = json.loads((out / "datalist.json").read_text())
    entries = [one for part in ("training", "validation", "test") for one in record[part]]
    assert len(entries) == 31
    assert all((out / one["image"]).is_file() and (out / one["label"]).is_file() for one in entries)


def test_the_csv_of_pictures_tells_the_split(workspace, tmp_path):
    frames = export(workspace.dataset, "png", tmp_path / "out")
    with (tmp_path / "out" / "split.csv").open(newline="") as file:
        rows = {row["image"]: (row["patient"], row["split"]) for row in csv.DictReader(file)}
    assert rows == {f"{f.name}.png": (f.patient, f.split) for f in frames}


def test_frames_leave_as_they_are_shown(tmp_path):
    made = Workspace.create(tmp_path / "ws")
    inverted = picture(1)
    made.dataset.append(Frame(inverted, "A", grey=Grey(inverted=True)), ringed(1))
    made.dataset.append(Frame(picture(2), "B", grey=Grey(slope=0.5)), ringed(2))
    frames = {f.name: f for f in export(made.dataset, "png", tmp_path / "out")}
    shown = {head.case: head.frame() for head in made.dataset.heads()}
    for name, frame in frames.items():
        out = png(tmp_path / "out" / "images" / f"{name}.png").astype(float)
        if frame.exact:
            assert np.array_equal(out, shown[name])
        else:
            assert np.corrcoef(out.ravel(), shown[name].ravel())[0, 1] > 0.99999
    assert sorted(frame.exact for frame in frames.values()) == [False, True]


REFUSALS = {
    "in the workspace": (lambda ws, tmp: ws.path / "dataset" / "out", "lies in the workspace"),
    "the workspace": (lambda ws, tmp: ws.path, "lies in the workspace"),
    "exists": (lambda ws, tmp: tmp, "exists already"),
    "a file in the way": (lambda ws, tmp: tmp / "file" / "out", "not exported"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_target_that_cannot_be_is_refused_and_nothing_is_left(workspace, tmp_path, what):
    (tmp_path / "file").write_text("")
    target, line = REFUSALS[what]
    before = outside_of_settings(tmp_path)
    with pytest.raises(DatasetError, match=line):
        export(workspace.dataset, "png", target(workspace, tmp_path))
    assert outside_of_settings(tmp_path) == before


def test_an_empty_dataset_has_nothing_to_export(tmp_path, capsys):
    made = Workspace.create(tmp_path / "ws")
    assert main(["dataset", "export", str(made.path), "-o", str(tmp_path / "out")]) == 2
    assert "nothing to export" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_an_unknown_format_is_refused_with_those_there_are(workspace, tmp_path, capsys):
    assert (
        main(["dataset", "export", str(workspace.path), "-o", str(tmp_path / "out"), "--format", "voc"]) == 2
    )
    assert "nnunet, monai, coco, nifti, labelme, yolo, png" in capsys.readouterr().err


# -- what others send ----------------------------------------------------------------------------------------


def coco(tmp_path, segmentation, **image) -> list[str]:
    """Arguments that import one image with one segmentation, laid out as ARCADE's official part is."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(imagecodecs.png_encode(picture(1)))
    record = {
        "images": [{"id": 1, "file_name": "1.png", "height": SIZE[0], "width": SIZE[1]} | image],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "segmentation": segmentation}],
        "categories": [{"id": 7, "name": "6"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(record))
    made = Workspace.create(tmp_path / "ws")
    return [
        "dataset",
        "import",
        str(made.path),
        "--images",
        str(tmp_path / "images"),
        "--coco",
        str(tmp_path / "a.json"),
    ]


def test_every_category_of_arcade_is_vessel(tmp_path):
    assert main(coco(tmp_path, [[3, 4, 10, 4, 10, 9, 3, 9]])) == 0
    (head,) = Workspace.open(tmp_path / "ws").dataset.heads()
    expected = np.zeros(SIZE, np.uint8)
    expected[4:9, 3:10] = 1
    assert np.array_equal(head.mask(), expected)


def test_run_lengths_are_read_column_by_column(tmp_path):
    mask = ringed(1) == 1
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat.astype(int))) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    assert main(coco(tmp_path, {"counts": runs, "size": list(SIZE)})) == 0
    (head,) = Workspace.open(tmp_path / "ws").dataset.heads()
    assert np.array_equal(head.mask() == 1, mask)


def test_run_lengths_packed_by_pycocotools_are_read(tmp_path):
    y, x = np.mgrid[:40, :56]
    from_centre = (y - 20) ** 2 + (x - 25) ** 2
    ring = (from_centre < 150) & (from_centre > 40)
    mask = ring | (x == 50) | ((y == 2) & (x % 2 == 0))
    packed = (  # pycocotools 2.0.11: encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
        "21_200000000000XO4lNLI:?4CBK`0=2F^OKd0<CB06IK710:OH01JL55050M0LKL58020N0LKL58020N0LKM55061H01JL710"
        ";0C06ILd0=NH^OM`0?NFBN:d0JCLl1000000000NW1mNiNU10N"
    )
    assert main(coco(tmp_path, {"counts": packed, "size": list(SIZE)})) == 0
    (head,) = Workspace.open(tmp_path / "ws").dataset.heads()
    assert np.array_equal(head.mask() == 1, mask)


HOSTILE = {
    "two points": ([[1, 1, 5, 5]], {}, "three finite points"),
    "odd numbers": ([[1, 1, 5, 5, 9]], {}, "a segmentation cannot be read"),
    "not numbers": ([["a", "b", 1, 2, 3, 4]], {}, "a segmentation cannot be read"),
    "infinite": ([[1, 1, 5, 1e999, 4, 4]], {}, "three finite points"),
    "nothing": (None, {}, "a segmentation cannot be read"),
    "packed runs, too few": ({"counts": "PPYo0", "size": list(SIZE)}, {}, "do not fill the image"),
    "packed runs, cut": ({"counts": "PV", "size": list(SIZE)}, {}, "end early"),
    "packed runs, no text": ({"counts": "é2", "size": list(SIZE)}, {}, "that are damaged"),
    "packed runs, huge": ({"counts": "o" * 99 + "0", "size": list(SIZE)}, {}, "that are damaged"),
    "short runs": ({"counts": [3, 4], "size": list(SIZE)}, {}, "do not fill the image"),
    "negative runs": ({"counts": [-3, 2243], "size": list(SIZE)}, {}, "do not fill the image"),
    "another size": ([[3, 4, 10, 4, 10, 9]], {"height": 41}, "rows x columns"),
    "a giant it is not": ([[0, 0, 8192, 0, 8192, 8192]], {"height": 8192, "width": 8192}, "8192x8192, but"),
    "endless points": ([[3, 4, 10, 4, 10, 39] * 90_000], {}, "have more points, than any angiogram needs"),
    "endless runs": ({"counts": "0" * 5_000_000, "size": list(SIZE)}, {}, "more, or have more points"),
    "far outside": ([[1, 1, 5, 1, 4, 1e300]], {}, "a point lies far outside"),
    "a giant": ([[3, 4, 10, 4, 10, 9]], {"height": 10**9}, "not a COCO file"),
    "a path out": ([[3, 4, 10, 4, 10, 9]], {"file_name": "../../etc/passwd"}, "passwd: named in a.json"),
    "a path in Windows' way": (
        [[3, 4, 10, 4, 10, 9]],
        {"file_name": "..\\..\\secret.png"},
        "secret.png: named in",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_annotation_is_a_line_and_saves_nothing(tmp_path, capsys, what):
    segmentation, image, line = HOSTILE[what]
    assert main(coco(tmp_path, segmentation, **image)) == 2
    said = capsys.readouterr().err
    assert line in said and "Traceback" not in said
    assert list(Workspace.open(tmp_path / "ws").dataset.cases()) == []


def test_a_size_that_the_picture_has_not_is_refused_before_anything_is_drawn(tmp_path):
    arguments = coco(tmp_path, [[0, 0, 8192, 0, 8192, 8192]], height=8192, width=8192)
    with mock.patch.object(shapes, "fill", side_effect=AssertionError("drawn")):
        assert main(arguments) == 2


def test_shapes_without_end_are_refused_however_small_they_are(tmp_path, capsys):
    arguments = coco(tmp_path, [[3, 4, 5, 4, 5, 9]] * 40)
    with mock.patch.object(shapes, "_MOST_EFFORT", 1 << 20):
        assert main(arguments) == 2
    assert "its annotations are more, or have more points" in capsys.readouterr().err


BROKEN_JSON = {"not json": "{", "a list": "[1]", "deep": "[" * 100_000, "no images": '{"annotations": []}'}


@pytest.mark.parametrize("what", BROKEN_JSON)
def test_a_broken_coco_file_is_a_line(tmp_path, capsys, what):
    arguments = coco(tmp_path, [[3, 4, 10, 4, 10, 9]])
    (tmp_path / "a.json").write_text(BROKEN_JSON[what])
    assert main(arguments) == 2
    assert "a.json: " in capsys.readouterr().err


def test_a_coco_file_that_would_fill_the_memory_is_refused_before_it_is_parsed(tmp_path, capsys):
    arguments = coco(tmp_path, [[3, 4, 10, 4, 10, 9]])
    (tmp_path / "a.json").write_bytes(b'{"images": [' + b"{}," * 15_000_000 + b"{}]}")
    with mock.patch.object(records, "json") as parser:
        assert main(arguments) == 2
    assert not parser.loads.called
    assert "a.json: would take more than 1,280 MiB of memory. Split it" in capsys.readouterr().err


def test_labels_that_nnunets_dataset_does_not_name_are_refused(workspace, tmp_path, capsys):
    out = tmp_path / "out"
    export(workspace.dataset, "nnunet", out)
    label = next((out / "labelsTr").glob("*"))
    label.write_bytes(imagecodecs.png_encode(np.full(SIZE, 3, np.uint8)))
    next((out / "imagesTr").glob("*")).unlink()
    back = Workspace.create(tmp_path / "back")
    assert main(["dataset", "import", str(back.path), "--nnunet", str(out), "--accept-implausible"]) == 2
    said = capsys.readouterr().err
    assert "which dataset.json does not name" in said or "in imagesTr" in said
    assert len(list(back.dataset.cases())) >= 29


@pytest.mark.parametrize(
    "facts",
    [
        "",
        "[]",
        '{"labels": 3, "file_ending": ".png"}',
        '{"labels": {"a": "b"}, "file_ending": ".png"}',
        '{"labels": {"background": 0}, "file_ending": ".mat"}',
    ],
)
def test_a_broken_dataset_json_is_a_line(tmp_path, capsys, facts):
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "dataset.json").write_text(facts)
    made = Workspace.create(tmp_path / "ws")
    assert main(["dataset", "import", str(made.path), "--nnunet", str(tmp_path / "nn")]) == 2
    assert "dataset.json: " in capsys.readouterr().err


SOURCES = ["", "--images x", "--masks x", "--images x --masks y --coco z", "--nnunet x --masks y"]


@pytest.mark.parametrize("source", SOURCES)
def test_one_source_has_to_be_named(tmp_path, capsys, source):
    made = Workspace.create(tmp_path / "ws")
    assert main(["dataset", "import", str(made.path), *source.split()]) == 2
    assert "name one source" in capsys.readouterr().err


def test_an_export_that_was_killed_leaves_no_pictures_for_long(workspace, tmp_path, monkeypatch):
    """The next one into the same folder clears up; what others write, or this computer still does, stays."""
    from src_training.exchange import placing

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def killed() -> None:
        monkeypatch.setattr(Path, "rename", die)
        export(workspace.dataset, "png", tmp_path / "out")

    os.waitpid(forked(killed), 0)
    (left,) = tmp_path.glob(".*.partial")
    assert any(left.rglob("*.png"))
    here = f".{placing._ours()}"
    for name in (
        f"{here}{os.getpid()}-0123abcd.partial",
        ".0123456789ab-999999999-0123abcd.partial",
        f"{here}x.partial",
    ):
        (tmp_path / name).mkdir()
    export(workspace.dataset, "png", tmp_path / "out")
    assert not left.exists() and len(list(tmp_path.glob(".*.partial"))) == 3
