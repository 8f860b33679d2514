"""Promises about classes: what is no vessel never becomes one, what nobody can tell is asked once."""

from __future__ import annotations

import json
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from field_files import SIZE, field, picture, saved, write_nnunet

from src_training import Workspace
from src_training.cli import main
from src_training.errors import DatasetError
from src_training.exchange.classes import Classes, meaning_of, told_by

KNOWN = {
    "background": ["background", "_background_", "BG", "Clear Label", "no vessel", "Back-ground"],
    "catheter": [
        "catheter",
        "Guide",
        "guidewire",
        "guiding_catheter",
        "device",
        "catheter tip",
        "Wire",
        "sheath",
        "stent",
    ],
    "ignore": ["ignore", "Ignore", "void", "not reviewed", "Not-Reviewed", "unsure", "uncertain vessel"],
    "vessel": [
        *(
            "vessel",
            "Vessels",
            "coronary artery",
            "Coronary arteries",
            "LAD",
            "lcx",
            "RCA",
            "Left main",
            "om1",
        ),
        *(
            "left anterior descending",
            "left_circumflex_artery",
            "proximal RCA",
            "blood vessel",
            "coronary tree",
        ),
        *("1", "2", "9a", "12b", "16c", "syntax_10"),
    ],
    "unknown": [
        *(
            "stenosis",
            "17",
            "aorta",
            "vein graft",
            "catheter in vessel",
            "vessel without stent",
            "rib",
            "main",
            "tree",
        ),
        *(
            "non-vessel tissue",
            "Segment_2",
            "0",
            "class 1",
            "",
            "calcified artery",
            "tip of lad",
            "background vessel",
        ),
    ],
}


@pytest.mark.parametrize(
    ("meaning", "name"), [(kind, name) for kind, names in KNOWN.items() for name in names]
)
def test_a_class_is_known_by_its_whole_name_or_not_at_all(meaning, name):
    assert meaning_of(name) == meaning


def test_classes_that_nobody_can_tell_are_listed_and_a_person_decides():
    with pytest.raises(DatasetError, match=r"a\.json: classes .*: aorta, rib\. Say .*--vessel-classes"):
        Classes().values({1: "rib", 2: "vessel", 3: "aorta"}, "a.json")
    told = told_by({"vessel": "Aorta", "ignore": "catheter", "background": "rib, vein"})
    assert Classes(told).values({1: "rib", 2: "vessel", 3: "aorta"}, "a.json") == {1: 0, 2: 1, 3: 1}


def test_one_class_that_nobody_named_is_the_mask_but_two_are_a_question():
    assert Classes().values({1: "Segment_1", 2: "background"}, "a") == {1: 1, 2: 0}
    for names in ({1: "Segment_1", 2: "Segment_2"}, {1: "Segment_1", 2: "vessel"}):
        with pytest.raises(DatasetError):
            Classes().values(names, "a")


def test_a_class_with_two_meanings_is_refused():
    with pytest.raises(DatasetError, match="two meanings"):
        told_by({"vessel": "rib", "ignore": "Rib"})


@pytest.mark.parametrize("text", ["", "[]", '{"vessel": "rib"}', '{"vessel": [1]}', "[" * 100_000])
def test_a_file_of_classes_that_is_none_is_a_line(tmp_path, text):
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(DatasetError, match=r"classes\.json: .*Give JSON as"):
        told_by({}, tmp_path / "classes.json")


# -- COCO ----------------------------------------------------------------------------------------------------


def coco(folder: Path, classes: dict[str, list[list[float]]]) -> list[str]:
    """A folder with one picture and one polygon for each class; the arguments that import it."""
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "c.png").write_bytes(imagecodecs.png_encode(picture()))
    record = {
        "images": [{"id": 1, "file_name": "c.png", "height": SIZE[0], "width": SIZE[1]}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": n, "segmentation": polygons}
            for n, polygons in enumerate(classes.values())
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate([*classes, "never drawn"])],
    }
    (folder / "a.json").write_text(json.dumps(record))
    return ["--images", str(folder / "images"), "--coco", str(folder / "a.json")]


def box(x: int, y: int, width: int, height: int) -> list[list[float]]:
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def imported(tmp_path: Path, arguments: list[str]) -> tuple[int, Workspace]:
    folder = tmp_path / "ws"
    made = Workspace.open(folder) if folder.exists() else Workspace.create(folder)
    return main(["dataset", "import", str(made.path), *arguments]), made


def two_pictures(folder: Path, ids: list, categories: list[dict], category: object = 1) -> list[str]:
    """Two pictures with one outline each, at other places; the arguments that import them."""
    (folder / "images").mkdir(parents=True)
    for n in range(2):
        content = imagecodecs.png_encode(picture(n))
        (folder / "images" / f"c{n}.png").write_bytes(content)
    record = {
        "images": [
            {"id": id_, "file_name": f"c{n}.png", "height": SIZE[0], "width": SIZE[1]}
            for n, id_ in enumerate(ids)
        ],
        "annotations": [
            {"id": n, "image_id": id_, "category_id": category, "segmentation": box(4, 4 + 20 * n, 30, 3)}
            for n, id_ in enumerate(ids)
        ],
        "categories": categories,
    }
    (folder / "a.json").write_text(json.dumps(record))
    return ["--images", str(folder / "images"), "--coco", str(folder / "a.json")]


@pytest.mark.parametrize("ids", [[1, 2], ["1", 2], ["a-1", "b-2"], [7.0, "0x7"]])
@pytest.mark.parametrize("category", [1, "1", 1.0])
def test_ids_of_coco_are_numbers_or_words(tmp_path, ids, category):
    vessel = [{"id": 1, "name": "vessel"}, {"id": "x-9", "name": "rib"}]
    code, made = imported(tmp_path, two_pictures(tmp_path, ids, vessel, category))
    pictures = {head.image().tobytes(): head.mask() for head in made.dataset.heads()}
    assert code == 0 and len(pictures) == 2
    for n in range(2):
        rows = np.nonzero(pictures[picture(n).tobytes()].any(1))[0]
        assert rows.tolist() == [4 + 20 * n, 5 + 20 * n, 6 + 20 * n]


@pytest.mark.parametrize("ids", [[1, 1], [1, "1"], ["07", 7], ["a", "a"]])
def test_one_id_of_two_pictures_puts_no_outline_on_either(tmp_path, capsys, ids):
    code, made = imported(tmp_path, two_pictures(tmp_path, ids, [{"id": 1, "name": "vessel"}]))
    assert code == 2 and not saved(made)
    assert "a.json: c0.png and c1.png have one id" in capsys.readouterr().err


def test_one_id_of_two_categories_is_refused(tmp_path, capsys):
    both = [{"id": 1, "name": "catheter"}, {"id": "1", "name": "vessel"}]
    code, made = imported(tmp_path, two_pictures(tmp_path, [1, 2], both))
    assert code == 2 and not saved(made) and "two categories have the id 1" in capsys.readouterr().err


def test_outlines_of_an_image_that_is_not_listed_are_told(tmp_path, capsys):
    arguments = two_pictures(tmp_path, [1, 2], [{"id": 1, "name": "vessel"}])
    path = tmp_path / "a.json"
    path.write_text(path.read_text().replace('"image_id": 2', '"image_id": 99'))
    code, made = imported(tmp_path, arguments)
    assert code == 2 and len(saved(made)) == 1
    assert "a.json: 1 annotations are of images that it does not list" in capsys.readouterr().err


def test_the_field_file_with_a_category_background_keeps_its_vessels_only(tmp_path):
    code, made = imported(tmp_path, [str(field("classes-that-are-no-vessel") / "bg")])
    expected = np.load(field("classes-that-are-no-vessel") / "m1.npy")
    (mask,) = saved(made).values()
    assert code == 0 and np.array_equal(mask == 1, expected)


def test_background_is_never_drawn_and_a_catheter_is_not_judged(tmp_path, capsys):
    classes = {
        "_background_": box(0, 0, 56, 40),
        "guide catheter": box(30, 5, 6, 20),
        "LAD": box(5, 5, 10, 4),
    }
    code, made = imported(tmp_path, coco(tmp_path / "in", classes))
    expected = np.zeros(SIZE, np.uint8)
    expected[5:25, 30:36] = 255
    expected[5:9, 5:15] = 1
    (mask,) = saved(made).values()
    assert code == 0 and np.array_equal(mask, expected)
    assert "a.json: guide catheter: no vessel; not judged (255)" in capsys.readouterr().err


def test_a_class_is_asked_for_once_and_remembered_for_the_workspace(tmp_path, capsys):
    arguments = coco(tmp_path / "in", {"lesion": box(5, 5, 10, 4), "artery": box(20, 5, 10, 4)})
    code, made = imported(tmp_path, arguments)
    assert code == 2 and not saved(made) and "lesion. Say what they are" in capsys.readouterr().err
    assert imported(tmp_path, [*arguments, "--ignore-classes", "Lesion"])[0] == 0
    first = saved(made)
    assert set(np.unique(*first.values()).tolist()) == {0, 1, 255}
    assert imported(tmp_path, arguments)[0] == 0
    assert "nothing new" in capsys.readouterr().err and len(saved(made)) == 1
    other = Workspace.create(tmp_path / "other")
    assert main(["dataset", "import", str(other.path), *arguments]) == 2


def test_classes_can_be_given_in_a_file(tmp_path):
    arguments = coco(tmp_path / "in", {"lesion": box(5, 5, 10, 4), "artery": box(20, 5, 10, 4)})
    (tmp_path / "classes.json").write_text('{"vessel": ["lesion"]}')
    code, made = imported(tmp_path, [*arguments, "--classes", str(tmp_path / "classes.json")])
    assert code == 0 and int((next(iter(saved(made).values())) == 1).sum()) == 80


# -- nnU-Net -------------------------------------------------------------------------------------------------


def test_the_field_file_of_nnunet_with_a_catheter_does_not_judge_it(tmp_path, capsys):
    source = field("classes-that-are-no-vessel") / "nn_cath"
    code, made = imported(tmp_path, ["--nnunet", str(source)])
    labels = imagecodecs.png_decode((source / "labelsTr" / "c_001.png").read_bytes())
    (mask,) = saved(made).values()
    assert code == 0 and np.array_equal(mask, np.array([0, 1, 255], np.uint8)[labels])
    assert "catheter: no vessel; not judged" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["vessel", "catheter", "tissue"])
def test_a_zero_that_is_a_class_is_refused_until_somebody_says_what_it_is(tmp_path, capsys, name):
    folder = write_nnunet(tmp_path / "nn", {name: 0, "artery": 1})
    code, made = imported(tmp_path, ["--nnunet", str(folder)])
    assert code == 2 and not saved(made)
    assert f"0 is called '{name}', but nnU-Net's 0 is the background" in capsys.readouterr().err
    assert imported(tmp_path, ["--nnunet", str(folder), "--background-classes", name])[0] == 0
    assert set(np.unique(*saved(made).values()).tolist()) == {0, 1}


def test_labels_of_nnunet_v1_are_read_and_told(tmp_path, capsys):
    source = field("nnunet-v1-and-regions") / "nn_v1"
    code, made = imported(tmp_path, ["--nnunet", str(source)])
    labels = imagecodecs.png_decode((source / "labelsTr" / "c_001.png").read_bytes())
    assert code == 0 and np.array_equal(*saved(made).values(), labels)
    assert "dataset.json: nnU-Net v1 labels, read as such" in capsys.readouterr().err


def test_regions_of_classes_that_nobody_can_tell_are_a_question_in_words(tmp_path, capsys):
    source = field("nnunet-v1-and-regions") / "nn_regions"
    code, made = imported(tmp_path, ["--nnunet", str(source)])
    said = capsys.readouterr().err
    assert code == 2 and "dataset.json: region labels that may be vessel or not: main, tree. Say" in said
    assert imported(tmp_path, ["--nnunet", str(source), "--vessel-classes", "tree,main"])[0] == 0
    labels = imagecodecs.png_decode((source / "labelsTr" / "c_001.png").read_bytes())
    assert np.array_equal(*saved(made).values(), labels > 0)


def test_of_overlapping_regions_what_is_not_judged_wins_then_vessel(tmp_path):
    labels = {"background": 0, "coronary tree": [1, 2, 3], "left main": 2, "catheter": [3, 4]}
    code, made = imported(tmp_path, ["--nnunet", str(write_nnunet(tmp_path / "nn", labels, highest=4))])
    numbers = imagecodecs.png_decode((tmp_path / "nn" / "labelsTr" / "c.png").read_bytes())
    assert code == 0
    assert np.array_equal(*saved(made).values(), np.array([0, 1, 1, 255, 255], np.uint8)[numbers])
