"""A disc of an archive is a list of runs, for the shell and whoever asks, from its index, its folder or its ZIP."""

from __future__ import annotations

import json
import shutil
import zipfile

import cine_files as files
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.fileset import FileSet

from src_training.cli import main
from src_training.cli.common import say_left_out_folders
from src_training.errors import LightVesselError
from src_training.exchange import discs
from src_training.exchange.discs import is_disc, opened_disc

STUDY = {
    "StudyDate": "20240101",
    "StudyTime": "1015",
    "StudyID": "1",
    "StudyInstanceUID": "1.2.9",
    "PatientName": "Doe",
}


def write(folder, name, frames=2, seed=0, patient="P1", series=1, **tags):
    folder.mkdir(exist_ok=True)
    identity = {
        "PatientID": patient,
        "SeriesInstanceUID": f"1.2.{series}",
        "SeriesNumber": series,
        "InstanceNumber": 1,
    }
    words = files.grey(frames=frames, seed=seed)
    return files.write_dicom(folder / name, words, **{**STUDY, **identity, **tags}), words


@pytest.fixture
def disc(tmp_path):
    """A disc of two patients: a run of 2 frames, a run of 3 files, a run of 4 frames; and the pixels of each."""
    made, index = tmp_path / "made", FileSet()
    one, pixels = write(made, "a", 2, 1, PositionerPrimaryAngle=30)
    index.add(pydicom.dcmread(one))
    parts = []
    for t, number in enumerate((3, 1, 2)):
        path, words = write(made, f"b{t}", 1, 10 + t, series=2, InstanceNumber=number)
        index.add(pydicom.dcmread(path))
        parts.append((number, words[0]))
    other, more = write(made, "c", 4, 3, patient="P2", series=3, StudyInstanceUID="1.2.10")
    index.add(pydicom.dcmread(other))
    index.write(tmp_path / "disc")
    return tmp_path / "disc", [
        pixels,
        np.stack([frame for _, frame in sorted(parts, key=lambda p: p[0])]),
        more,
    ]


def runs(path):
    with opened_disc(path) as opened:
        return [np.stack([run.cine.frame(t) for t in range(len(run.cine))]) for run in opened.runs]


def same(found, wanted):
    key = lambda stack: (stack.shape, stack.tobytes())  # noqa: E731
    assert len(found) == len(wanted)
    for one, other in zip(sorted(found, key=key), sorted(wanted, key=key), strict=True):
        np.testing.assert_array_equal(one, other)


def packed(folder, target):
    with zipfile.ZipFile(target, "w") as archive:
        for path in folder.rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent))
    return target


def test_an_index_its_folder_and_a_zip_of_it_are_the_same_list_of_runs(disc, tmp_path):
    folder, pixels = disc
    for path in (folder / "DICOMDIR", folder, packed(folder, tmp_path / "disc.zip")):
        assert is_disc(path)
        same(runs(path), pixels)
    with opened_disc(folder) as opened:
        assert opened.remarks == [] and len({run.name for run in opened.runs}) == 3
        assert [line.split(": ", 1)[1] for line in sorted(run.description for run in opened.runs)] == [
            "series 1 · 2 frames of 48x64 · LAO 30",
            "series 2 · 3 frames of 48x64",
            "series 3 · 4 frames of 48x64",
        ]


def test_a_zip_of_many_files_without_an_index_is_a_list_of_runs_too(disc, tmp_path):
    folder, pixels = disc
    (folder / "DICOMDIR").unlink()
    (folder / "autorun.inf").write_text("[autorun]")
    same(runs(packed(folder, tmp_path / "files.zip")), pixels)


def test_pictures_among_the_files_of_a_zip_do_not_vanish_without_a_word(disc, tmp_path, capsys):
    folder, pixels = disc
    (folder / "DICOMDIR").unlink()
    Image.fromarray(pixels[0][0]).save(folder / "shot.png")
    (folder / "readme.txt").write_text("a viewer")
    archive = packed(folder, tmp_path / "files.zip")
    same(runs(archive), pixels)
    assert main(["info", str(archive)]) == 0
    line = "files.zip: 1 of its files are pictures or videos, no DICOM, and left out."
    assert line in capsys.readouterr().err


def test_names_are_found_in_whatever_case_the_disc_was_copied_with(disc, tmp_path):
    folder, pixels = disc
    for path in sorted(folder.rglob("*"), key=lambda p: -len(p.parts)):
        path.rename(path.with_name(path.name.lower() if path.name != "DICOMDIR" else "dicomdir"))
    same(runs(folder), pixels)


def test_what_is_missing_or_no_image_is_told_and_the_rest_is_there(disc):
    folder, _ = disc
    images = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "DICOMDIR")
    images[0].unlink()
    images[-1].write_bytes(b"nothing")
    with opened_disc(folder) as opened:
        assert len(opened.runs) == 1
        assert opened.remarks[0] == "DICOMDIR: 1 of the images that it lists are not there."
        assert len(opened.remarks) == 2 and images[-1].name in opened.remarks[1]


@pytest.mark.parametrize("lure", [["..", "SECRET"], ["/", "SECRET"], [".", "..", "SECRET"], ["LINK"]])
def test_an_index_leads_to_nothing_outside_its_disc(disc, tmp_path, lure):
    folder, _ = disc
    secret, _ = write(tmp_path, "SECRET")
    (folder / "LINK").symlink_to(secret)
    index = pydicom.dcmread(folder / "DICOMDIR")
    for record in index.DirectoryRecordSequence:
        if record.DirectoryRecordType == "IMAGE":
            record.ReferencedFileID = lure
    index.save_as(folder / "DICOMDIR")
    with pytest.raises(LightVesselError, match=r"no angiogram on this disc"), opened_disc(folder):
        pass


@pytest.mark.parametrize("data", [b"", b"\0" * 128 + b"DICM" + b"\xff" * 64, b"\0" * 132])
def test_a_damaged_index_is_one_line(tmp_path, data):
    (tmp_path / "DICOMDIR").write_bytes(data)
    with pytest.raises(LightVesselError) as refused, opened_disc(tmp_path / "DICOMDIR"):
        pass
    assert str(refused.value).startswith("DICOMDIR: ") and "\n" not in str(refused.value)


def test_info_lists_the_runs_and_nobody(disc, capsys):
    folder, pixels = disc
    assert main(["info", "--json", str(folder / "DICOMDIR")]) == 0
    told = capsys.readouterr().out
    records = [json.loads(line) for line in told.splitlines()]
    assert sorted(record["frames"] for record in records) == sorted(map(len, pixels))
    assert len({record["run"] for record in records}) == 3 and "P1" not in told and "Doe" not in told


def test_segment_makes_a_mask_of_every_run(disc, tmp_path, capsys):
    folder, pixels = disc
    archive = packed(folder, tmp_path / "disc.zip")
    out = tmp_path / "out"
    assert main(["segment", str(archive), "-o", str(out), "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    masks = [tifffile.imread(path) for path in out.iterdir()]
    assert sorted(mask.shape for mask in masks) == sorted(stack.shape for stack in pixels)
    assert len({record["run"] for record in records}) == 3


def test_a_bad_archive_among_others_is_told_and_the_rest_is_done(disc, tmp_path, capsys):
    folder, _ = disc
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 nothing more")
    assert main(["segment", str(tmp_path / "bad.zip"), str(folder), "-o", str(tmp_path / "out")]) == 2
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert "bad.zip" in capsys.readouterr().err


def test_pictures_of_a_viewer_beside_the_index_hide_no_run(disc, tmp_path):
    folder, pixels = disc
    Image.fromarray(pixels[0][0]).save(folder / "LOGO.PNG")
    Image.fromarray(pixels[0][0]).save(folder / "splash.bmp")
    assert is_disc(folder) and main(["segment", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == len(pixels)


def test_files_that_the_index_does_not_list_are_told(disc):
    folder, pixels = disc
    write(folder / "MORE", "IM1")
    same(runs(folder), pixels)
    with opened_disc(folder / "DICOMDIR") as opened:
        assert opened.remarks == [
            "DICOMDIR: 1 DICOM files on the disc that it does not list are left out. Give them by themselves."
        ]


@pytest.mark.parametrize("kind", ["SR DOCUMENT", "PRESENTATION", "ENCAP DOC"])
def test_reports_that_the_index_lists_are_no_strangers(disc, kind):
    folder, _ = disc
    index = pydicom.dcmread(folder / "DICOMDIR")
    images = [one for one in index.DirectoryRecordSequence if one.DirectoryRecordType == "IMAGE"]
    images[0].DirectoryRecordType = kind
    index.save_as(folder / "DICOMDIR")
    with opened_disc(folder) as opened:
        assert opened.remarks == [] and sum(len(run.files) for run in opened.runs) == len(images) - 1


def test_of_a_large_folder_around_an_index_only_a_part_is_looked_at(disc, monkeypatch):
    folder, pixels = disc
    for number in range(30):
        (folder / f"z{number}").write_bytes(b"not a picture")
    looked_at = []
    monkeypatch.setattr(discs, "recognise", looked_at.append)
    monkeypatch.setattr(discs, "_MOST_LOOKED_AT", 9)
    same(runs(folder), pixels)
    assert len(looked_at) < 10


def test_pictures_beside_an_index_whose_images_are_gone_are_read(disc, tmp_path):
    folder, pixels = disc
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else None
    Image.fromarray(pixels[0][0]).save(folder / "shot.png")
    assert not is_disc(folder) and main(["segment", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["shot.png"]
    with pytest.raises(LightVesselError, match=r"no angiogram on this disc.*open its files"):
        runs(folder / "DICOMDIR")


def test_folders_in_a_folder_of_images_are_told(disc, tmp_path, capsys):
    folder, _ = disc
    write(folder, "IM1")
    assert main(["segment", str(folder), "-o", str(folder / "out")]) == 0
    assert "2 folder(s) in it not looked into: PT000000, PT000001." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "given", "out", "told"),
    [
        ("more", [], "away", ["more"]),
        ("more/deep", [], "away", ["more"]),
        ("more", ["more"], "away", []),
        ("more", ["more/../more"], "away", []),
        ("out/old", [], "out/new", []),
        ("masks", [], "away", []),
        ("Labels", [], "away", []),
    ],
)
def test_only_folders_whose_images_nobody_reads_are_told(tmp_path, capsys, name, given, out, told):
    folder = tmp_path / "in"
    for place in (folder, folder / name):
        place.mkdir(parents=True)
        Image.fromarray(files.grey(frames=1)[0]).save(place / f"{len(place.parts)}.png")
    for place in ("empty", "notes"):
        (folder / place).mkdir()
    (folder / "notes" / "read.me").write_text("drawn on Monday")
    say_left_out_folders([folder, *(folder / one for one in given)], folder / out)
    said = "".join(f"1 folder(s) in it not looked into: {one}. Give them, too.\n" for one in told)
    assert capsys.readouterr().err == said


def test_a_folder_with_images_and_an_index_is_read_as_before(disc, tmp_path):
    folder, _ = disc
    flat = tmp_path / "flat"
    flat.mkdir()
    write(flat, "IM1")
    shutil.copy(folder / "DICOMDIR", flat)
    assert not is_disc(flat)


def of_two_patients_alike(tmp_path, *names):
    """A ZIP whose files, of one patient each, would be called alike; and their pixels."""
    made = tmp_path / "made"
    made.mkdir()
    pixels = []
    for number, name in enumerate(names):
        (made / name).parent.mkdir(exist_ok=True)
        tags = {"patient": f"P{number}", "series": 1, "StudyInstanceUID": f"1.2.{number}"}
        pixels.append(write((made / name).parent, (made / name).name, 2 + number, number, **tags)[1])
    return packed(made, tmp_path / "alike.zip"), pixels


@pytest.mark.parametrize(
    "names", [("a/b.dcm", "a_b.dcm"), ("c/IM1", "c/IM1.dcm"), ("a/b", "a_b", "a_b_2"), ("X/i", "x_I")]
)
def test_runs_of_two_patients_are_never_called_alike(tmp_path, capsys, names):
    archive, pixels = of_two_patients_alike(tmp_path, *names)
    with opened_disc(archive) as opened:
        assert len({run.name.casefold() for run in opened.runs}) == len(names)
        assert len({run.description.split(":")[0] for run in opened.runs}) == len(names)
    for _ in range(2):
        assert main(["segment", str(archive), "-o", str(tmp_path / "out"), "--overwrite", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({record["mask"] for record in records}) == len(names)
    masks = [tifffile.imread(path) for path in (tmp_path / "out").iterdir()]
    assert sorted(mask.shape for mask in masks) == sorted(stack.shape for stack in pixels)


def test_a_mask_of_one_run_is_never_the_probability_of_another(tmp_path, capsys):
    archive, _ = of_two_patients_alike(tmp_path, "a", "a_prob")
    assert main(["segment", str(archive), "-o", str(tmp_path / "out"), "--probability", "--overwrite"]) == 2
    assert "alike.zip (made_a) and" in capsys.readouterr().err and not (tmp_path / "out").exists()
