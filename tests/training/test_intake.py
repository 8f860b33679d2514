"""Promises about what is taken into a dataset: the right mask, the right patient, page for frame, odd ones told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import imagecodecs
import numpy as np
import pytest
import tifffile
from field_files import field, saved
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_angiograms import angiogram

from src_training import Frame, Workspace
from src_training.cli import main
from src_training.dataset import Origin
from src_training.dataset.folders import files_below, match_pairs
from src_training.dataset.intake import Looked, Undrawn, Unread, look_at
from src_training.dataset.patient_table import Row, check_alike, owners_of, read_patients
from src_training.errors import DatasetError

ROW = field("inverted-masks")


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "ws")


@pytest.fixture
def lightvessel(capsys):
    def run(*words):
        code = main([*map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err, err
        return code, out.splitlines(), err

    return run


@pytest.fixture
def take_in(lightvessel, workspace):
    return lambda *words: lightvessel("dataset", "import", workspace.path, *words)


def write(path: Path, values) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(values)))
    return path


def pairs(folder: Path, count: int, change=lambda mask, at: mask) -> Path:
    """images/ and masks/ of so many angiograms, their masks changed."""
    for at in range(count):
        frame, mask = angiogram(at)
        write(folder / "images" / f"f{at}.png", frame)
        write(folder / "masks" / f"f{at}.png", change(mask, at) * np.uint8(255))
    return folder


def by_picture(workspace: Workspace) -> dict[bytes, np.ndarray]:
    return {head.image().tobytes(): head.mask() for head in workspace.dataset.heads()}


# -- implausible masks ---------------------------------------------------------------------------------------


def test_black_on_white_masks_are_not_saved_until_somebody_says_so(take_in, workspace):
    code, out, err = take_in(ROW / "inv")
    assert (code, out) == (2, []) and "3 of 3 masks are black on white" in err and "--invert-masks" in err
    assert len(err.splitlines()) == 1 and not saved(workspace)
    assert take_in(ROW / "inv", "--invert-masks")[0] == 0
    masks = saved(workspace).values()
    assert len(masks) == 3 and all(mask.mean() == pytest.approx(0.104, abs=0.001) for mask in masks)
    picture = imagecodecs.png_decode((ROW / "inv" / "images" / "a1.png").read_bytes())
    np.testing.assert_array_equal(by_picture(workspace)[picture.tobytes()], np.load(ROW / "m1.npy"))


def test_a_table_that_turns_grey_over_is_understood(take_in, workspace):
    assert take_in(ROW / "ij")[0] == 0
    picture = imagecodecs.png_decode((ROW / "ij" / "images" / "a1.png").read_bytes())
    np.testing.assert_array_equal(by_picture(workspace)[picture.tobytes()], np.load(ROW / "m1.npy"))


def test_one_black_on_white_mask_among_others_is_left_out_and_named(take_in, workspace, tmp_path):
    source = pairs(tmp_path / "in", 4, lambda mask, at: 1 - mask if at == 2 else mask)
    code, out, err = take_in(source)
    assert (code, len(out)) == (2, 3) and "3 of 4 saved" in err
    assert "f2.png: vessel on 9" in err and "black on white, as it seems" in err


ODD = {
    "turned": (lambda mask: np.rot90(mask, 3), "it fits turned by 90°"),
    "empty": (lambda mask: mask * 0, "no vessel in it, but the frame is called accepted"),
    "full": (lambda mask: mask * 0 + 1, "vessel on 100% of the field"),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_mask_is_left_out_unless_it_is_accepted_as_it_is(
    take_in, lightvessel, workspace, tmp_path, what
):
    change, line = ODD[what]
    source = pairs(tmp_path / "in", 3, lambda mask, at: change(mask) if at == 1 else mask)
    if what == "full":
        write(source / "masks" / "f1.png", np.ones((160, 160), np.uint8))
    code, out, err = take_in(source)
    (told,) = [one for one in err.splitlines() if one.startswith("lightvessel: f1.png: ")]
    assert (code, len(out)) == (2, 2) and line in told and "--accept-implausible" in told
    one = ["--image", source / "images" / "f1.png", "--mask", source / "masks" / "f1.png"]
    code, out, err = lightvessel("dataset", "append", workspace.path, *one)
    assert (code, out) == (2, []) and line in err and "--accept-implausible" in err
    assert len(err.splitlines()) == 1 and len(saved(workspace)) == 2
    assert lightvessel("dataset", "append", workspace.path, *one, "--accept-implausible")[0] == 0
    code, out, err = take_in(source, "--accept-implausible")
    assert (code, len(out)) == (0, 3) and "taken as it is" in err


@pytest.mark.parametrize("count", [1, 3])
def test_who_has_sound_masks_turned_over_is_told_to_leave_that_out(
    take_in, lightvessel, workspace, tmp_path, count
):
    source = pairs(tmp_path / "in", count)
    one = ["--image", source / "images" / "f0.png", "--mask", source / "masks" / "f0.png"]
    for code, out, err in (
        take_in(source, "--invert-masks"),
        lightvessel("dataset", "append", workspace.path, *one, "--invert-masks"),
    ):
        assert (code, out) == (2, []) and "Leave out --invert-masks. Or take" in err


def test_append_takes_an_inverted_mask_that_is_said_to_be_one(lightvessel, workspace):
    one = ["--image", ROW / "inv" / "images" / "a1.png", "--mask", ROW / "inv" / "masks" / "a1.png"]
    code, out, err = lightvessel("dataset", "append", workspace.path, *one)
    assert (code, out) == (2, []) and "--invert-masks" in err
    assert lightvessel("dataset", "append", workspace.path, *one, "--invert-masks")[0] == 0
    (mask,) = saved(workspace).values()
    np.testing.assert_array_equal(mask, np.load(ROW / "m1.npy"))


def test_a_preview_lists_every_mask_and_saves_nothing(take_in, workspace, tmp_path):
    source = pairs(tmp_path / "in", 3, lambda mask, at: np.rot90(mask) if at == 1 else mask)
    code, out, err = take_in(source, "--preview", "--json")
    records = [json.loads(line) for line in out]
    assert (code, [one["odd"] for one in records]) == (2, [[], ["misfit"], []])
    assert records[0]["polarity"] == "dark" and records[0]["contrast"] > 0.6
    assert records[0]["vessel_share"] == pytest.approx(angiogram(0)[1].mean(), abs=0.02)
    code, out, err = take_in(source, "--preview")
    assert len(out) == 4 and "1 odd; nothing was saved" in err and "it fits turned by" in out[2]
    assert not saved(workspace)


def test_what_another_workspace_decided_comes_in_with_a_remark(take_in, workspace, tmp_path):
    theirs = Workspace.create(tmp_path / "theirs")
    frame, mask = angiogram(1)
    theirs.dataset.append(Frame(frame, "P1"), np.rot90(mask))
    theirs.dataset.append(Frame(angiogram(2)[0], "P1"), angiogram(2)[1])
    code, out, err = take_in(theirs.path)
    assert (code, len(out)) == (0, 2) and "1 of 2 were decided so, but look odd" in err


# -- label 2 -------------------------------------------------------------------------------------------------


def test_what_is_marked_as_unsure_in_napari_is_ignored(lightvessel, take_in, workspace, tmp_path):
    row = field("label-2-is-unsure")
    labels = tifffile.imread(row / "lab.tif")
    one = ["--image", row / "a1.png", "--mask", row / "lab.tif"]
    assert lightvessel("dataset", "append", workspace.path, *one)[0] == 0
    (mask,) = saved(workspace).values()
    np.testing.assert_array_equal(mask, np.where(labels == 2, 255, labels))
    source = pairs(tmp_path / "in", 2)
    unsure = angiogram(0)[1]
    unsure[:9] = 2
    write(source / "masks" / "f0.png", unsure)
    code, _, err = take_in(source)
    assert code == 0 and "1 of 2: parts are marked as unsure and ignored (f0.png)" in err
    np.testing.assert_array_equal(
        by_picture(workspace)[angiogram(0)[0].tobytes()], np.where(unsure == 2, 255, unsure)
    )


# -- which annotation, which picture -------------------------------------------------------------------------


def test_one_name_of_two_runs_is_refused_where_the_runs_have_no_folders(take_in, workspace):
    row = field("coco-one-name-twice")
    code, out, err = take_in("--images", row / "images", "--coco", row / "annotations.json")
    assert (code, out) == (2, []) and not saved(workspace) and "0 of 2 saved" in err
    for run in ("runA", "runB"):
        assert (
            f"{run}/frame_000001.png: one of 2 names in annotations.json that could be frame_000001.png"
            in err
        )


@pytest.mark.parametrize("at_once", [True, False])
def test_each_run_gets_its_own_outlines(take_in, workspace, tmp_path, at_once):
    row = field("coco-one-name-twice")
    pictures = {run: angiogram(at)[0][:96, :128] for at, run in enumerate(("runA", "runB"))}
    for run, picture in pictures.items():
        write(tmp_path / "images" / run / "frame_000001.png", picture)
    for folder in [tmp_path / "images"] if at_once else [tmp_path / "images" / run for run in pictures]:
        take_in("--images", folder, "--coco", row / "annotations.json", "--accept-implausible")
    found = by_picture(workspace)
    corners = [np.argwhere(found[picture.tobytes()])[0].tolist() for picture in pictures.values()]
    assert corners == [[10, 10], [70, 80]]


def layout(name: str) -> Path:
    return field("layouts-of-annotation-programs") / name


@pytest.mark.parametrize(("name", "count"), [("cvat", 1), ("robo", 2)])
def test_layouts_of_annotation_programs_are_imported(take_in, workspace, name, count):
    code, out, err = take_in(layout(name))
    assert (code, len(out)) == (0, count), err
    truth = np.load(layout("m1.npy"))
    for mask in saved(workspace).values():
        assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.97


def test_names_with_percent_signs_subsets_and_runs_are_found(take_in, workspace, tmp_path):
    record = json.loads((layout("cvat") / "annotations" / "instances_default.json").read_text())
    picture = imagecodecs.png_decode((layout("cvat") / "images" / "default" / "c1.png").read_bytes())
    for subset, shown, name in (
        ("train", "a b.png", "a%20b.png"),
        ("val", "run 1/x.png", "run 1\\x.png"),
        ("test", "run_2/c.d/x.png", "/data/run_2/c.d/x.png"),
    ):
        write(tmp_path / "in" / "images" / subset / shown, picture + np.uint8(len(name) % 3))
        record["images"][0]["file_name"] = name
        annotations = tmp_path / "in" / "annotations" / f"instances_{subset}.json"
        annotations.parent.mkdir(parents=True, exist_ok=True)
        annotations.write_text(json.dumps(record))
    code, out, err = take_in(tmp_path / "in")
    assert (code, len(out)) == (0, 3), err


def test_a_picture_that_two_files_annotate_is_refused(take_in, workspace, tmp_path):
    shutil.copytree(layout("cvat"), tmp_path / "in")
    annotations = tmp_path / "in" / "annotations"
    shutil.copy(annotations / "instances_default.json", annotations / "more.json")
    code, out, err = take_in(tmp_path / "in")
    assert (code, out) == (2, []) and "c1.png: annotated in 2 files. Keep one of them." in err


def test_masks_of_runs_in_folders_go_to_their_runs(take_in, workspace, tmp_path):
    for at, run in enumerate(("p1/runA", "p1/runB", "p2/runA")):
        frame, mask = angiogram(at)
        write(tmp_path / "images" / run / "f1.png", frame)
        write(tmp_path / "masks" / run / ("f1.png" if at else "f1_mask.png"), mask)
    write(tmp_path / "masks" / "f1.png", angiogram(0)[1])
    code, out, err = take_in("--images", tmp_path / "images", "--masks", tmp_path / "masks")
    assert (code, len(out)) == (2, 3) and "f1.png: could be the mask of several images" in err
    for at in range(3):
        np.testing.assert_array_equal(by_picture(workspace)[angiogram(at)[0].tobytes()], angiogram(at)[1])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([("masks", "labels")], ["labels"]),
        ([("images", "testing/images"), ("masks", "testing/masks")], ["testing"]),
        ([("images", "train/images"), ("masks", "train/masks")], ["train"]),
        ([("images", "raw/a/b")], ["raw"]),
        ([], []),
    ],
)
def test_folders_of_a_dataset_that_nothing_is_taken_from_are_told(take_in, tmp_path, more, told):
    source = pairs(tmp_path / "in", 1)
    (source / "docs").mkdir()
    (source / "docs" / "notes.md").write_text("drawn on Monday")
    for name, copy in more:
        shutil.copytree(source / name, source / copy)
    code, out, err = take_in(source)
    assert (code, len(out)) == (0, 1)
    passed = [line.split(": ")[0] for line in err.splitlines() if "not looked into" in line]
    assert passed == told


def test_runs_that_are_linked_into_a_folder_are_taken_once_and_a_loop_ends(take_in, tmp_path):
    source, elsewhere = pairs(tmp_path / "in", 1), pairs(tmp_path / "elsewhere", 2)
    for name in ("images", "masks"):
        (source / name / "run").symlink_to(elsewhere / name)
        (elsewhere / name / "back").symlink_to(source / name)
        (elsewhere / name / "f0.png").unlink()
    code, out, err = take_in("--images", source / "images", "--masks", source / "masks")
    assert (code, len(out)) == (0, 2), err


@pytest.mark.parametrize("link", ["latest", "zlast", "run1/again", "away/back"])
def test_a_folder_and_a_link_to_it_are_one(take_in, tmp_path, link):
    source = pairs(tmp_path / "in", 2)
    (source / "images").rename(source / "run1")
    (source / "images").mkdir()
    (source / "run1").rename(source / "images" / "run1")
    if link == "away/back":
        (tmp_path / "away").mkdir()
        (source / "images" / "away").symlink_to(tmp_path / "away")
    (source / "images" / link).symlink_to(source / "images" / "run1")
    code, out, err = take_in("--images", source / "images", "--masks", source / "masks")
    assert (code, len(out)) == (0, 2), err


def test_folders_that_are_linked_to_each_other_hold_each_file_once(tmp_path):
    folders = [tmp_path / str(at) for at in range(7)]
    for folder in folders:
        write(folder / "f.png", angiogram(0)[0])
        for other in folders:
            (folder / f"to{other.name}").symlink_to(other)
    assert len(files_below(folders[0])) == len(files_below(tmp_path)) == 7


def test_what_lies_below_the_folder_that_is_left_out_is_left_out_too(tmp_path):
    write(tmp_path / "f.png", angiogram(0)[0])
    write(tmp_path / "masks" / "run" / "f.png", angiogram(0)[1])
    assert files_below(tmp_path, leave_out=tmp_path / "masks") == [tmp_path / "f.png"]


@pytest.mark.parametrize(
    ("decided", "imported_as"),
    [
        ("corrected", "accepted"),
        ("rejected", "accepted"),
        ("not_evaluable", "accepted"),
        ("accepted", "proposed"),
        ("accepted", "rejected"),
    ],
)
def test_an_import_takes_the_place_of_nobodys_decision_unasked(
    take_in, workspace, tmp_path, decided, imported_as
):
    source = pairs(tmp_path / "in", 2)
    assert take_in(source)[0] == 0
    first = angiogram(0)[0].tobytes()
    (head,) = [head for head in workspace.dataset.heads() if head.image().tobytes() == first]
    if decided == "corrected":
        changed = head.mask() & (np.arange(head.shape[1]) < 90)
        workspace.dataset.revise(head, Origin(annotator="r2"), changed.astype(np.uint8))
    elif decided != "accepted":
        workspace.dataset.revise(head, Origin(decided))
    stood = workspace.dataset.head(head.case)
    call = (source, "--status", imported_as)
    refused = 2 if decided == "accepted" else 1
    code, out, err = take_in(*call, "--preview")
    assert (code, len(out)) == (2, 1 + 2) and err.count("--overwrite") == refused
    code, out, err = take_in(*call)
    assert (code, len(out)) == (2, 2 - refused) and f"case {head.case}). To take" in err
    assert f"{2 - refused} of 2 saved" in err
    if decided != "rejected":
        assert f"stands here as {stood.status}, and would become {imported_as}" in err
    assert workspace.dataset.head(head.case) == stood
    assert take_in(*call, "--overwrite")[0] == 0
    assert workspace.dataset.head(head.case).says == (imported_as, head.says[1])


def test_two_masks_of_one_picture_do_not_replace_each_other(take_in, workspace, tmp_path):
    source = pairs(tmp_path / "in", 1)
    shutil.copy(source / "images" / "f0.png", source / "images" / "f1.png")
    write(source / "masks" / "f1.png", angiogram(0)[1] * (np.arange(160) < 90).astype(np.uint8))
    code, out, err = take_in(source)
    assert (code, len(out)) == (2, 1) and "f1.png: another mask of this very frame stands here" in err
    np.testing.assert_array_equal(by_picture(workspace)[angiogram(0)[0].tobytes()], angiogram(0)[1])


# -- whose it is ---------------------------------------------------------------------------------------------

CSV = field("csv-of-excel") / "csv"


@pytest.mark.parametrize("name", ["u16.csv", "u8bom.csv"])
def test_tables_that_excel_writes_are_read(take_in, workspace, name):
    code, _, err = take_in(
        "--images", CSV / "images", "--masks", CSV / "masks", "--patients", CSV / name, "--accept-implausible"
    )
    assert code == 0 and "patient unknown" not in err and "named in the CSV" not in err
    assert all(head.patient_key for head in workspace.dataset.heads())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-marked"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_says_the_same_in_every_encoding(tmp_path, encoding, delimiter):
    text = delimiter.join(("image", "patient")) + "\r\n" + delimiter.join(("zoë 1.png", "Ä-7")) + "\r\n"
    data = ("\ufeff" + text).encode("utf-16-be") if encoding.endswith("marked") else text.encode(encoding)
    (tmp_path / "p.csv").write_bytes(data)
    assert read_patients(tmp_path / "p.csv") == [Row(2, "zoë 1.png", "Ä-7")]


@pytest.mark.parametrize(
    "lines",
    [
        ["image,patient_sex,patient_id", "f.png,M,A17"],
        ["PatientName,Patient-ID,File name", "Doe,A17,f.png"],
        ["name,file,Patienten-ID", "Doe,f.png,A17"],
        ["file,subject", "f.png,A17"],
        ["Fall;Image", "A17;f.png"],
        ["Bild;Patientennummer;", "f.png;A17;"],
        ["sep=;", "Image;Patient", "f.png;A17"],
        ["f.png,A17"],
        ["image,patient", '"=""f.png""","=""A17"""'],
        ["image,patient", "f.png,'A17"],
    ],
)
def test_a_patient_is_taken_from_the_column_of_patients(tmp_path, lines):
    (tmp_path / "p.csv").write_text("\n".join(lines), encoding="utf-8")
    assert read_patients(tmp_path / "p.csv") == [Row(len(lines), "f.png", "A17")]


@pytest.mark.parametrize(
    "header",
    ["file,age,subject", "Bild,Alter,Fall", "image,patient_age,subject", "id,image,patient_sex"]
    + ["image,sex", "id,file name", "Filename,Image No", "image,Acquisition Date", "image,split"],
)
def test_a_table_of_several_columns_that_could_be_the_patient_is_refused(tmp_path, header):
    rows = [
        header,
        *(
            ",".join(cells[: header.count(",") + 1])
            for cells in (("f0.png", "1", "A17"), ("f1.png", "1", "B"))
        ),
    ]
    (tmp_path / "p.csv").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(
        DatasetError, match=r"p\.csv: line 1 does not say which .* Call them so: image, patient"
    ):
        read_patients(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("header", "guessed"),
    [
        ("image,patient", ""),
        ("image,Patienten-ID", ""),
        ("image,Fall", "Fall"),
        ("subject_id,file", "subject_id"),
    ],
)
def test_a_column_that_does_not_say_that_it_is_the_patient_is_told(
    take_in, tmp_path, capsys, header, guessed
):
    frame, mask = angiogram(0)
    write(tmp_path / "images" / "f0.png", frame)
    write(tmp_path / "masks" / "f0.png", mask)
    row = "A17,f0.png" if header.endswith("file") else "f0.png,A17"
    (tmp_path / "p.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")
    source = [
        "--images",
        tmp_path / "images",
        "--masks",
        tmp_path / "masks",
        "--patients",
        tmp_path / "p.csv",
    ]
    code, _, err = take_in(*source)
    assert code == 0 and ("is taken as the patient" in err) == bool(guessed) and guessed in err


@pytest.mark.parametrize("shortened", ["1.23E+11", '"4,7E+09"', "2E+12"])
def test_a_patient_that_a_spreadsheet_has_shortened_is_refused(tmp_path, shortened):
    (tmp_path / "p.csv").write_text(f"image,patient\nf0.png,{shortened}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"p\.csv: line 2: .* shortened.* the format Text"):
        read_patients(tmp_path / "p.csv")


def test_a_table_in_an_old_encoding_is_refused_with_excels_own_words_for_the_cure():
    with pytest.raises(DatasetError, match=r'cp\.csv: not UTF-8 text\. In Excel choose "CSV UTF-8'):
        read_patients(CSV / "cp.csv")


def test_a_row_that_could_mean_two_runs_gives_neither_a_patient_and_saves_neither(
    take_in, workspace, tmp_path
):
    for at, run in enumerate(("runA", "runB")):
        frame, mask = angiogram(at)
        write(tmp_path / "images" / run / "frame_1.png", frame)
        write(tmp_path / "masks" / run / "frame_1.png", mask)
    (tmp_path / "p.csv").write_text("frame_01,P1\n")
    source = [
        "--images",
        tmp_path / "images",
        "--masks",
        tmp_path / "masks",
        "--patients",
        tmp_path / "p.csv",
    ]
    code, out, err = take_in(*source)
    assert (code, out) == (
        2,
        [],
    ) and "p.csv: line 1: frame_01 could be runA/frame_1.png, runB/frame_1.png" in err
    (tmp_path / "p.csv").write_text("runA/frame_1.png,P1\nrunB\\frame_1.png,P2\n")
    assert take_in(*source)[0] == 0
    assert len({head.patient_key for head in workspace.dataset.heads()}) == 2


def test_rows_of_two_patients_that_could_mean_one_image_give_it_none():
    image = Path("/study/images/frame_001.png")
    rows = [Row(1, "frame_1.png", "P1"), Row(2, "frame_01.png", "P2")]
    owners = owners_of(rows, [image], "p.csv")
    assert not owners.of_image and "lines 1 and 2 could all mean frame_001.png" in owners.refused[image]
    assert owners_of([Row(1, "frame_1.png", "P1")], [image], "p.csv").of_image == {image: "P1"}


heads_of_ids = st.sampled_from(["", "P", "pat-", "A1-"])
NOBODY = SimpleNamespace(cases=lambda: iter(()))


@given(heads_of_ids, st.integers(1, 10**6), st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_patients_that_differ_in_zeros_only_are_told_and_others_are_not(head, number, more, fewer, upper):
    one, other = f"{head}{'0' * more}{number}", f" {head}{'0' * fewer}{number}"
    other = other.upper() if upper else other
    named = [("a.png", one), ("b.png", other), ("c.png", f"{head}{number + 1}")]
    if more == fewer:
        check_alike(named, NOBODY)
    else:
        with pytest.raises(
            DatasetError, match=r"a\.png and b\.png: their patients differ in leading zeros only"
        ):
            check_alike(named, NOBODY)


@pytest.mark.parametrize(
    ("there", "new"),
    [("123", "000123"), ("000123", "123"), ("P-0012", "p-12"), ("00123", "0000123"), ("7-04", "7-4")],
)
def test_a_patient_of_the_dataset_is_not_split_by_zeros(lightvessel, workspace, tmp_path, there, new):
    source = pairs(tmp_path / "in", 2)

    def append(at, patient, *more):
        one = ["--image", source / "images" / f"f{at}.png", "--mask", source / "masks" / f"f{at}.png"]
        return lightvessel("dataset", "append", workspace.path, *one, "--patient", patient, *more)

    assert append(0, there)[0] == 0
    code, out, err = append(1, new)
    assert (code, out) == (2, []) and "f1.png: its patient and one in the dataset" in err
    assert "--distinct-patients" in err and new not in err
    assert append(1, there)[0] == 0
    assert append(1, new, "--distinct-patients")[0] == 0
    assert len({head.patient_key for head in workspace.dataset.heads()}) == 2


def test_an_import_stops_before_it_splits_a_patient(take_in, workspace, tmp_path):
    source = pairs(tmp_path / "in", 3)
    (tmp_path / "p.csv").write_text("f0,000123\nf1,77\nf2,123\n")
    code, out, err = take_in(source, "--patients", tmp_path / "p.csv")
    assert (code, out) == (2, []) and "p.csv: line 1 and p.csv: line 3: their patients differ" in err
    assert not saved(workspace)
    assert take_in(source, "--patients", tmp_path / "p.csv", "--distinct-patients")[0] == 0


# -- stacks --------------------------------------------------------------------------------------------------


def stack(folder: Path, drawn: list[bool], side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A cine and its masks as TIFF stacks of one name; only some pages are drawn."""
    made = [angiogram(at, side) for at in range(len(drawn))]
    frames = np.stack([frame for frame, _ in made])
    masks = np.stack([mask * np.uint8(is_drawn) for (_, mask), is_drawn in zip(made, drawn, strict=True)])
    for name, values in (("images", frames), ("masks", masks)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / name / "run.tif", values, photometric="minisblack", compression="zlib")
    return frames, masks


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), min_size=2, max_size=6))
def test_frame_t_has_page_t(tmp_path, drawn):
    _, masks = stack(tmp_path, drawn)
    matched = match_pairs(tmp_path / "images", tmp_path / "masks")
    found = list(look_at(matched, {}, "accepted", vessels_bright=False))
    if not any(drawn):
        assert [type(one) for one in found] == [Unread] and "nothing is drawn" in found[0].line
        return
    undrawn = [one.line for one in found if isinstance(one, Undrawn)]
    assert undrawn == [] if all(drawn) else f"{sum(drawn)} of {len(drawn)} pages are drawn" in undrawn[0]
    assert {type(one) for one in found} <= {Looked, Undrawn}
    found = [one for one in found if isinstance(one, Looked)]
    assert not any(one.judgement.findings for one in found)
    assert [one.frame for one in found] == [t for t, is_drawn in enumerate(drawn) if is_drawn]
    for one in found:
        np.testing.assert_array_equal(one.mask.read(one.frame, (len(drawn), 96, 96)), masks[one.frame])


def test_every_drawn_page_of_a_stack_is_saved_with_its_frame(take_in, workspace, tmp_path):
    frames, masks = stack(tmp_path, [True, False, True])
    code, out, err = take_in("--images", tmp_path / "images", "--masks", tmp_path / "masks")
    assert (code, len(out)) == (0, 2), err
    found = by_picture(workspace)
    assert {head.frame_index for head in workspace.dataset.heads()} == {0, 2}
    for t in (0, 2):
        np.testing.assert_array_equal(found[frames[t].tobytes()], masks[t])


def test_a_stack_that_is_called_like_a_folder_of_frames_belongs_to_these(take_in, workspace, tmp_path):
    """As `segment --cine` writes it."""
    frames, masks = stack(tmp_path, [True, True, False])
    for name in ("images", "masks"):
        (tmp_path / name / "run.tif").unlink()
    for t, frame in enumerate(frames):
        write(tmp_path / "images" / "runA" / f"{t}.png", frame)
    write(tmp_path / "images" / "runB" / "1.png", frames[0])
    tifffile.imwrite(tmp_path / "masks" / "runA.tif", masks, photometric="minisblack")
    code, out, err = take_in("--images", tmp_path / "images", "--masks", tmp_path / "masks")
    assert (code, len(out)) == (0, 2), err
    assert "runB/1.png: no mask of this name" in err and "runA/" not in err
    for t in (0, 1):
        np.testing.assert_array_equal(by_picture(workspace)[frames[t].tobytes()], masks[t])


@pytest.mark.parametrize("pages", [1, 2, 4])
def test_masks_of_another_number_than_frames_are_refused(take_in, workspace, tmp_path, pages):
    _, masks = stack(tmp_path, [True] * 3)
    values = masks[0] if pages == 1 else np.stack([masks[0]] * pages)
    tifffile.imwrite(tmp_path / "masks" / "run.tif", values, photometric="minisblack")
    code, out, err = take_in("--images", tmp_path / "images", "--masks", tmp_path / "masks")
    assert (code, out) == (2, []) and "for 3 frames" in err and not saved(workspace)


def test_a_stack_is_judged_frame_by_frame_by_evaluate(lightvessel, tmp_path):
    stack(tmp_path, [True, False, True], 160)
    code, out, err = lightvessel(
        "evaluate", "--images", tmp_path / "images", "--masks", tmp_path / "masks", "--json", "--per-frame"
    )
    records = [json.loads(line) for line in out]
    assert code == 0 and records[-1]["n"] == 2 and "2 of 3 pages are drawn" in err
    assert [one["frame"] for one in records[:-1]] == ["run frame 0", "run frame 2"]
