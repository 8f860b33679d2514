"""Promises of importing an archive: what lies in it arrives to the pixel, nothing else happens, nothing is left."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import archive_files as made
import numpy as np
import pytest
from archive_files import files_of, special, tar_of, zip_of
from durable_disks import SIZE, frame, mask

from src_training.cine.budget import SIDE
from src_training.cine.cine import Calibration, Grey, Projection
from src_training.cli import main
from src_training.dataset import Dataset, Frame, Origin
from src_training.dataset.keyring import own_key
from src_training.dataset.pixels import canonical
from src_training.dataset.record import DATASET_SCHEMA, REVISION_SCHEMA, read_record, read_revision
from src_training.dataset.values import LARGEST_SIDE
from src_training.errors import DatasetError, UnreadableCine
from src_training.exchange import FORMATS, archives, export
from src_training.exchange.archives import unpacked
from src_training.exchange.frames import frames_of
from src_training.exchange.member_names import problem_of
from src_training.workspace import Workspace

REPOSITORY = Path(__file__).parents[2]
TARS = ("w", "w:gz", "w:bz2", "w:xz")


@pytest.fixture(autouse=True)
def temp(tmp_path, monkeypatch):
    """The folder in which temporary ones are made; every test must leave it empty."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def ours(tmp_path):
    return Workspace.create(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path):
    """A workspace of the same user: statuses, a history, floats, a cine's facts, a patient nobody knows."""
    workspace = Workspace.create(tmp_path / "theirs")
    append = workspace.dataset.append
    append(frame(1), mask(1), Origin(annotator="r1", effort={"seconds": 3.5, "strokes": 2}))
    append(frame(1), mask(2), Origin(annotator="r2", model_id="m-1", proposal_sha256="ab" * 32))
    append(frame(2), mask(2), Origin("uncertain"))
    append(frame(3), np.zeros((SIZE, SIZE), np.uint8), Origin("no_vessel"))
    append(frame(4), mask(4))
    append(frame(4), mask(4), Origin("rejected"))
    append(frame(5, ""), mask(5))
    floats = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
    floats[3, 4] = np.nan
    append(Frame(floats, "P6"), mask(6))
    shown = Frame(
        np.arange(SIZE * SIZE, dtype=np.int16).reshape(SIZE, SIZE) - 100,
        "P7",
        frame_index=12,
        projection=Projection(30.5, -20),
        calibration=Calibration("detector", 0.2, 0.25),
        grey=Grey(-100, 475, 2.0, 1.0, inverted=True, padding=(-100.0, -90.0)),
        vessels_bright=True,
    )
    append(shown, mask(7))
    return workspace


@pytest.fixture
def lightvessel(capsys):
    """Run the command: (exit code, lines of stdout, stderr)."""

    def run(*words):
        code = main([*map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err, err
        return code, out.splitlines(), err

    return run


def arrived(lightvessel, workspace, source, *more):
    return lightvessel("dataset", "import", workspace.path, source, *more)


def content(dataset: Dataset) -> dict:
    """What stands in a dataset: everything that a record says of a frame, and its pixels."""
    kept = ("status", "annotator", "model_id", "proposal_sha256", "effort", "patient_key", "frame_index")
    kept += ("projection", "calibration", "grey", "vessels_bright")
    return {
        head.case: (
            [head.record[name] for name in kept],
            head.image().dtype,
            head.image().tobytes(),
            head.frame().tobytes(),
            head.mask().tobytes(),
        )
        for heads in map(dataset.case_heads, dataset.cases())
        for head in heads
    }


def tree(folder: Path) -> dict[Path, tuple]:
    facts = ((path, path.stat()) for path in folder.rglob("*"))
    return {path: (one.st_mtime_ns, one.st_size) for path, one in facts}


# -- a workspace of LightVessel ------------------------------------------------------------------------------


PACKERS = {
    "zip": zip_of,
    **{f"tar {mode}": functools.partial(tar_of, mode=mode) for mode in TARS},
    "folder": None,
}


@pytest.mark.parametrize(
    ("packer", "part"), [*((packer, "") for packer in PACKERS), ("zip", "dataset"), ("folder", "dataset")]
)
def test_a_workspace_arrives_equal_to_the_pixel(lightvessel, ours, theirs, tmp_path, packer, part):
    source = theirs.path / part
    if packer != "folder":
        source = PACKERS[packer](tmp_path / "archive", *files_of(source, "some/where").items())
    before = tree(theirs.path), source.stat().st_mtime_ns
    code, out, err = arrived(lightvessel, ours, source)
    assert (code, len(out)) == (0, 7), err
    assert "7 of 7 saved" in err and "1 of 7: patient unknown" in err
    assert content(ours.dataset) == content(theirs.dataset)
    assert ours.dataset.verify(deep=True).sound
    heads = [ours.dataset.head(line.split()[1]) for line in out]
    assert [f"saved {head.case} {head.name}" for head in heads] == out
    assert before == (tree(theirs.path), source.stat().st_mtime_ns)


def test_importing_twice_changes_nothing_and_says_so(lightvessel, ours, theirs, tmp_path):
    source = zip_of(tmp_path / "a.zip", *files_of(theirs.path).items())
    first = arrived(lightvessel, ours, source)
    before = tree(ours.path)
    code, out, err = arrived(lightvessel, ours, source)
    assert (code, out) == (0, first[1]) and "7 of 7 saved, nothing new" in err
    assert tree(ours.path) == before
    theirs.dataset.append(frame(8), mask(8))
    assert "8 of 8 saved, 7 of them were there already" in arrived(lightvessel, ours, theirs.path)[2]


def test_a_correction_elsewhere_takes_the_place_of_what_it_corrects(lightvessel, ours, theirs):
    arrived(lightvessel, ours, theirs.path)
    corrected = theirs.dataset.append(frame(1), mask(9))
    code, _, _ = arrived(lightvessel, ours, theirs.path)
    heads = Workspace.open(ours.path).dataset.case_heads(corrected.case)
    assert code == 0 and [head.says for head in heads] == [corrected.says]
    back = theirs.dataset.append(frame(1), mask(2))
    arrived(lightvessel, ours, theirs.path)
    heads = Workspace.open(ours.path).dataset.case_heads(corrected.case)
    assert [head.says for head in heads] == [back.says], "corrected back is a correction too"


def test_what_we_have_corrected_since_is_not_undone(lightvessel, ours, theirs):
    arrived(lightvessel, ours, theirs.path)
    mine = ours.dataset.append(frame(1), mask(9))
    code, _, err = arrived(lightvessel, ours, theirs.path)
    assert code == 0 and "nothing new" in err
    assert Workspace.open(ours.path).dataset.case_heads(mine.case) == [mine]


def test_work_that_neither_knew_of_stands_side_by_side(lightvessel, ours, theirs):
    mine = ours.dataset.append(frame(1), mask(9))
    code, _, _ = arrived(lightvessel, ours, theirs.path)
    dataset = Workspace.open(ours.path).dataset
    assert code == 0 and {head.says for head in dataset.case_heads(mine.case)} == {
        mine.says,
        theirs.dataset.head(mine.case).says,
    }
    assert len(dataset.conflicts()) == 1
    before = tree(ours.path)
    assert "nothing new" in arrived(lightvessel, ours, theirs.path)[2]
    assert tree(ours.path) == before
    # Somebody settles it there; here it is settled by the next import.
    arrived(lightvessel, theirs, ours.path)
    settled = Workspace.open(theirs.path).dataset.append(frame(1), mask(10), resolve=True)
    arrived(lightvessel, ours, theirs.path)
    dataset = Workspace.open(ours.path).dataset
    assert dataset.conflicts() == [] and dataset.head(mine.case).says == settled.says


def test_two_workspaces_that_import_each_other_agree(lightvessel, ours, theirs):
    for _ in range(2):
        assert arrived(lightvessel, ours, theirs.path)[0] == 0
        assert arrived(lightvessel, theirs, ours.path)[0] == 0
    assert content(ours.dataset) == content(Workspace.open(theirs.path).dataset)
    assert len(list(ours.dataset.cases())) == 7, "floats that were cut into steps are still the same frame"


def test_sound_frames_of_a_damaged_dataset_are_saved_and_the_others_named(
    lightvessel, ours, theirs, tmp_path
):
    files = files_of(theirs.path)
    image = next(name for name in files if "/image-" in name)
    damaged_case = image.split("/")[-2]
    others = [name for name in made.records_in(files) if f"/{damaged_case}/" not in name]
    single = next(name for name in others if sum(name.rpartition("/")[0] in other for other in others) == 1)
    files[image] = files[image][:-20] + bytes(20)
    files[single] = files[single].replace(b'"seq": 1', b'"seq": 2')
    code, out, err = arrived(lightvessel, ours, zip_of(tmp_path / "a.zip", *files.items()))
    assert code == 2 and len(out) == 5
    assert Path(single).name in err and Path(image).name in err and "5 of" in err
    theirs_now = content(theirs.dataset)
    assert all(theirs_now[case] == one for case, one in content(ours.dataset).items())


def test_patients_of_another_site_key_are_refused_and_those_without_are_not(
    lightvessel, ours, theirs, tmp_path, monkeypatch
):
    config = os.environ["LIGHTVESSEL_CONFIG_DIR"]
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "elsewhere"))
    stranger = Workspace.create(tmp_path / "stranger")
    stranger.dataset.append(frame(1), mask(1))
    stranger.dataset.append(frame(2), mask(2))
    nobody = stranger.dataset.append(frame(3, ""), mask(3))
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", config)
    code, out, err = arrived(lightvessel, ours, stranger.path)
    assert (code, [line.split()[1] for line in out]) == (2, [nobody.case])
    assert "2 frames left out: their patients were hashed with another site key" in err
    assert "dataset key export" in err and "1 of 3 saved" in err


def test_a_key_that_came_by_hand_lets_the_patients_in(lightvessel, ours, tmp_path, monkeypatch):
    (tmp_path / "key").write_text(own_key().hex())
    config = os.environ["LIGHTVESSEL_CONFIG_DIR"]
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "elsewhere"))
    assert lightvessel("dataset", "init", tmp_path / "there", "--site-key", tmp_path / "key")[0] == 0
    there = Workspace.open(tmp_path / "there")
    there.dataset.append(frame(1, "P1"), mask(1))
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", config)
    assert arrived(lightvessel, ours, there.path)[0] == 0
    assert ours.dataset.heads()[0].patient_key == ours.dataset.append(frame(9, " p1"), mask(9)).patient_key


def test_what_the_dataset_says_itself_is_not_overruled_by_options(lightvessel, ours, theirs):
    for option in (
        ("--status", "rejected"),
        ("--annotator", "me"),
        ("--mask-threshold", 3),
        ("--vessels-bright",),
    ):
        code, out, err = lightvessel("dataset", "import", ours.path, theirs.path, *option)
        assert (code, out) == (2, []) and "says itself" in err


def test_words_that_are_not_allowed_do_not_arrive(lightvessel, ours, theirs, tmp_path):
    files = files_of(theirs.path)
    corrected = {json.loads(files[name])["parent"] for name in made.records_in(files)}
    heads = (
        name for name in made.records_in(files) if json.loads(files[name])["self_sha256"] not in corrected
    )
    files = made.resealed(files, next(heads), lambda record: record.update(note="Jane Doe 1951"))
    files = made.resealed_head(files, lambda head: head.update(site="Jane Doe's practice"))
    code, out, _ = arrived(lightvessel, ours, zip_of(tmp_path / "Jane Doe.zip", *files.items()))
    assert (code, len(out)) == (0, 7)
    stored = b"".join(path.read_bytes() for path in ours.path.rglob("*") if path.is_file())
    assert b"Jane" not in stored and b"practice" not in stored


# -- other datasets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("packer", ["zip", "tar w:gz", "folder"])
def test_what_was_exported_comes_back_from_an_archive(lightvessel, ours, theirs, tmp_path, kind, packer):
    for seed in range(10, 22):
        theirs.dataset.append(frame(seed), mask(seed))
    export(theirs.dataset, kind, tmp_path / "exported")
    # COCO has no way to say that nobody drew a vessel because there is none.
    with_mask = [one for one in frames_of(theirs.dataset) if kind != "coco" or one.mask.any()]
    source = tmp_path / "exported"
    if packer != "folder":
        source = PACKERS[packer](
            tmp_path / "archive", *files_of(source).items(), ("w/.DS_Store", b"x"), ("__MACOSX/w/._a", b"x")
        )
    # Pictures of noise, and a frame without vessels, of which no picture of a mask can say that a person looked.
    code, out, err = arrived(lightvessel, ours, source, "--accept-implausible")
    assert (code, len(out)) == (0, len(with_mask)), err
    masks = {head.image().tobytes(): head.mask().tobytes() for head in ours.dataset.heads()}
    assert masks == {one.picture.tobytes(): one.mask.tobytes() for one in with_mask}
    assert "nothing new" in arrived(lightvessel, ours, source, "--accept-implausible")[2]


def test_patients_of_an_archive_of_images_come_from_the_csv(lightvessel, ours, tmp_path):
    files = {f"images/f{n}.png": made.png(SIZE, SIZE, bytes([0, *[n] * SIZE]) * SIZE) for n in range(3)}
    line = bytes([0, 1, *[0] * (SIZE - 1)])
    files |= {f"masks/f{n}.png": made.png(SIZE, SIZE, line * SIZE) for n in range(3)}
    (tmp_path / "patients.csv").write_text("f0,P1\nf1,P1\nf2,P2\n")
    source = zip_of(tmp_path / "a.zip", *files.items())
    code, out, err = lightvessel(
        "dataset", "import", ours.path, source, "--patients", tmp_path / "patients.csv"
    )
    keys = [ours.dataset.head(line.split()[1]).patient_key for line in out]
    assert code == 0 and keys[0] == keys[1] != keys[2] and "unknown" not in err


@pytest.mark.parametrize("folder", ["", "run 1/", "a/b/"])
def test_masks_may_lie_among_their_pictures(lightvessel, ours, tmp_path, folder):
    picture = made.png(SIZE, SIZE, bytes([0, *[90] * SIZE]) * SIZE)
    line = made.png(SIZE, SIZE, bytes([0, 1, *[0] * (SIZE - 1)]) * SIZE)
    files = {f"{folder}f1.png": picture, f"{folder}f1_mask.png": line, f"{folder}f2.png": picture}
    source = zip_of(tmp_path / "a.zip", *files.items())
    code, out, err = arrived(lightvessel, ours, source, "--accept-implausible")
    (head,) = ours.dataset.heads()
    assert (code, len(out)) == (0, 1) and head.mask()[:, 0].all() and not head.mask()[:, 1:].any()
    assert "f2.png: no mask of this name; left out" in err


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"letter.txt": b"x"}, "nothing in it can be imported"),
        ({}, "nothing in it can be imported"),
        ({"images/a.txt": b"x"}, "nothing in it can be imported"),
        ({"images/a.txt": b"x", "masks/b.txt": b"x"}, "no image with a mask of its name"),
        ({"dataset.json": b"{}", "cases/ab/x": b"x"}, "schema None"),
    ],
)
def test_an_archive_of_something_else_is_told(lightvessel, ours, tmp_path, files, line):
    code, out, err = arrived(lightvessel, ours, zip_of(tmp_path / "a.zip", *files.items()))
    assert (code, out) == (2, []) and line in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("more", [("--images", "x"), ("--nnunet", "x"), ("--coco", "x", "--images", "y")])
def test_two_sources_at_once_are_refused(lightvessel, ours, theirs, more):
    code, _, err = lightvessel("dataset", "import", ours.path, theirs.path, *more)
    assert code == 2 and "name one source" in err


def test_a_source_that_is_not_there_is_told(lightvessel, ours, tmp_path):
    code, _, err = arrived(lightvessel, ours, tmp_path / "nowhere.zip")
    assert code == 2 and "nowhere.zip: there is no such file or folder" in err


# -- archives that are refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", made.BAD_NAMES)
def test_a_name_that_is_none_is_refused(name):
    assert problem_of(name.format(out="/somewhere"))


@pytest.mark.parametrize(
    "name",
    ["a", "a/b.png", "./a/b", "Ä ö/ü.png", "a..b", ".hidden", "con1", "console.png", "com", "a/", "x" * 255],
)
def test_a_plain_name_is_none_of_them(name):
    assert problem_of(name) is None


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize("names", made.CLASHES)
def test_two_names_that_are_one_file_somewhere_are_refused(tmp_path, pack, names):
    archive = pack(tmp_path / "a", *((name, b"x") for name in names))
    with (
        pytest.raises(DatasetError, match=r"^a: not unpacked: .* Pack the files themselves"),
        unpacked(archive),
    ):
        pass


def test_a_refusal_names_archive_member_reason_and_cure_on_one_line(tmp_path):
    archive = tar_of(tmp_path / "a.tgz", ("fine", b"x"), (special("sh\x1bady", tarfile.SYMTYPE, "/etc"), b""))
    with pytest.raises(DatasetError) as told, unpacked(archive):
        pass
    assert str(told.value) == (
        r"a.tgz: not unpacked: sh\x1bady has control characters in its name. "
        "Pack the files themselves, with plain names."
    )


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    archive = zip_of(tmp_path / "a.zip", ("a", b"x"))
    monkeypatch.setattr(archives, "_SPARE", 1 << 62)
    with (
        pytest.raises(DatasetError, match="does not fit on the disk of the temporary folder"),
        unpacked(archive),
    ):
        pass


def test_an_archive_is_unpacked_for_its_user_only(tmp_path):
    with unpacked(zip_of(tmp_path / "a.zip", ("b/c", b"x"))) as folder:
        assert folder.parent.stat().st_mode & 0o77 == 0
        assert (folder / "b" / "c").read_bytes() == b"x"
    assert not folder.parent.exists()


# -- cut short -----------------------------------------------------------------------------------------------


LISTENING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from src_training.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals here")
def test_ctrl_c_leaves_no_temporary_folder_and_only_whole_frames(ours, theirs, temp, tmp_path):
    for seed in range(30, 90):
        theirs.dataset.append(frame(seed), mask(seed))
    archive = zip_of(tmp_path / "a.zip", *files_of(theirs.path).items())
    child = subprocess.Popen(
        # Heard also where whoever runs the tests was started with Ctrl-C ignored.
        [sys.executable, "-c", LISTENING, "dataset", "import", str(ours.path), str(archive)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(temp)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(3)]
    assert list(temp.iterdir()) != []
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130 and "Traceback" not in err
    said += out.splitlines(keepends=True)
    assert 3 <= len(said) < 67
    dataset = Workspace.open(ours.path).dataset
    assert dataset.verify(deep=True).sound
    assert all(dataset.head(line.split()[1]).name == line.split()[2] for line in said)


def test_what_a_killed_import_left_is_put_away_later_but_never_another_s_work(tmp_path, temp):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old, new, alive = (
        temp / f"lightvessel-import-{pid}-x{what}"
        for pid, what in ((dead.pid, 1), (dead.pid, 2), (os.getpid(), 3))
    )
    for folder in (old, new, alive):
        made.write(folder, {"a/b": b"x"})
    for folder in (old, alive):
        os.utime(folder, (time.time() - 4_000,) * 2)
    with unpacked(zip_of(tmp_path / "a.zip", ("a", b"x"))):
        assert not old.exists() and new.exists() and alive.exists()
    shutil.rmtree(new), shutil.rmtree(alive)


# -- records that cannot be ----------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["NaN", "Infinity", "1e999", "[" * 900 + "]" * 900])
def test_a_number_that_json_does_not_have_is_a_damaged_record(tmp_path, word):
    path = tmp_path / "dataset.json"
    path.write_text(f'{{"schema": "{DATASET_SCHEMA}", "x": {word}, "self_sha256": "0"}}')
    with pytest.raises(DatasetError, match="restore the file from a backup"):
        read_record(path, DATASET_SCHEMA)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("image", "shape", [100_000, 100_000]),
        ("image", "shape", [SIZE, 0]),
        ("image", "sha256", "../../../../../" + "a" * 49),
        ("image", "dtype", "object"),
        ("mask", "pixels_sha256", 5),
        (None, "parent", []),
        (None, "supersedes", [{}]),
        (None, "created_utc", 5),
        (None, "grey", {"low": "x"}),
        (None, "projection", {"primary_deg": "x"}),
    ],
)
def test_a_record_that_says_what_cannot_be_is_damage_before_anything_is_decoded(ours, kind, key, value):
    revision = ours.dataset.append(frame(1), mask(1))
    files = {"a": b""} | files_of(ours.path)
    name = made.records_in(files)[0]

    def change(record):
        (record[kind] if kind else record)[key] = value
        if key in ("shape", "sha256"):
            record["mask"]["shape"] = record["image"]["shape"]
            record["image"]["file"] = f"image-{record['image']['sha256'][:16]}.png"

    (changed,) = made.resealed({name: files[name]}, name, change).items()
    path = revision.folder / changed[0].rpartition("/")[2]
    path.write_bytes(changed[1])
    assert read_record(path, REVISION_SCHEMA), "its seal holds"
    with pytest.raises(DatasetError, match=key):
        read_revision(path)
    with pytest.raises(DatasetError):
        Dataset.open(ours.dataset.folder).revisions(revision.case)
    assert any(key in problem for problem in ours.dataset.verify().problems)


def test_a_frame_larger_than_its_record_may_say_is_not_taken_at_the_door():
    assert SIDE[1] == LARGEST_SIDE
    with pytest.raises(UnreadableCine, match="larger than any angiogram"):
        canonical(np.zeros((LARGEST_SIDE + 1, 16), np.uint8))
    assert canonical(np.zeros((LARGEST_SIDE, 16), np.uint8)).shape == (LARGEST_SIDE, 16)


def test_keys_that_a_later_version_adds_are_no_reason_not_to_read(ours):
    ours.dataset.append(frame(1), mask(1))
    files = files_of(ours.path)

    def change(record):
        record["projection"]["table_deg"], record["calibration"]["by"], record["more"] = 3, "x", [1]

    name = made.records_in(files)[0]
    changed = made.resealed({name: files[name]}, name, change)
    (ours.path.parent / "ours" / name.removeprefix("w/")).unlink()
    made.write(ours.path.parent, {key.replace("w/", "ours/", 1): data for key, data in changed.items()})
    head = Dataset.open(ours.dataset.folder).heads()[0]
    assert (head.projection, head.calibration) == (Projection(), Calibration())
