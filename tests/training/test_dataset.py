"""Promises of the dataset: nothing overwritten, every decision kept, disagreement visible, damage found."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
from durable_disks import SIZE, frame, mask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src_training.cine import Calibration, Cine, Projection, array_cine
from src_training.cine.cine import Grey
from src_training.dataset import STATUSES, Dataset, Frame, Origin
from src_training.dataset.blobs import mask_hash
from src_training.dataset.record import sealed, to_bytes
from src_training.errors import BadMask, DatasetError, LightVesselError


@pytest.fixture
def dataset(tmp_path):
    return Dataset.create(tmp_path / "dataset")


def record_path(revision):
    return revision.folder / f"{revision.name}.json"


def rewrite(revision, **changes):
    """Plant a record that is sealed properly, beside the one it is made from."""
    record = sealed({**revision.record, **changes})
    path = revision.folder / f"r{record['seq']:04d}-{record['self_sha256'][:16]}.json"
    path.write_bytes(to_bytes(record))
    return record


# -- appending and revising ----------------------------------------------------------------------------------


def test_an_appended_frame_is_there_for_whoever_opens_the_dataset_next(dataset):
    saved = dataset.append(frame(1), mask(1), Origin(annotator="reader-2", model_id="small-ab12"))
    found = Dataset.open(dataset.folder).head(saved.case)
    assert found == saved
    np.testing.assert_array_equal(found.image(), frame(1).pixels)
    np.testing.assert_array_equal(found.mask(), mask(1))
    assert (found.status, found.annotator, found.model_id) == ("accepted", "reader-2", "small-ab12")
    assert found.text == f"{saved.case[:4]}… rev 1"


def test_the_layout_is_the_one_that_is_documented(dataset):
    saved = dataset.append(frame(1), mask(1))
    folder = dataset.folder / "cases" / saved.case[:2] / saved.case
    names = sorted(os.listdir(folder))
    image, stored_mask = saved.record["image"], saved.record["mask"]
    assert names == sorted([image["file"], stored_mask["file"], f"r0001-{saved.sha[:16]}.json"])
    assert image["file"] == f"image-{image['sha256'][:16]}.png"
    assert sorted(os.listdir(dataset.folder)) == ["cases", "dataset.json"]


def test_a_new_mask_is_a_new_revision_and_the_old_one_stays(dataset):
    first = dataset.append(frame(1), mask(1))
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    second = dataset.append(frame(1), mask(2))
    assert (second.case, second.seq, second.record["parent"]) == (first.case, 2, first.sha)
    assert dataset.revisions(first.case) == [first, second]
    assert dataset.heads() == [second]
    assert all((first.folder / name).read_bytes() == content for name, content in before.items())
    assert len(list(first.folder.glob("image-*"))) == 1


def test_the_same_frame_mask_and_status_again_is_the_revision_that_says_so(dataset):
    first = dataset.append(frame(1), mask(1))
    again = dataset.append(frame(1), mask(1).astype(np.int64), Origin(annotator="somebody else"))
    assert again == first
    assert len(list(first.folder.iterdir())) == 3


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_appending_again_brings_back_a_file_that_is_missing(dataset, kind):
    saved = dataset.append(frame(1), mask(1))
    (saved.folder / saved.record[kind]["file"]).unlink()
    assert dataset.append(frame(1), mask(1)) == saved
    assert dataset.verify(deep=True).findings == []


@pytest.mark.parametrize("kind", ["image", "mask"])
@pytest.mark.parametrize("damage", [lambda data: data[:40], lambda data: b"", lambda data: data[:-1] + b"x"])
def test_appending_again_never_says_saved_of_a_changed_file_nor_overwrites_it(dataset, kind, damage):
    saved = dataset.append(frame(1), mask(1))
    path = saved.folder / saved.record[kind]["file"]
    path.write_bytes(damage(path.read_bytes()))
    left = path.read_bytes()
    with pytest.raises(DatasetError, match=f"not saved: {path.name} is there with other content"):
        dataset.append(frame(1), mask(1))
    assert path.read_bytes() == left


def test_appending_again_where_another_version_packed_the_missing_image_is_a_revision_of_its_own(
    dataset, monkeypatch
):
    saved = dataset.append(frame(1), mask(1))
    (saved.folder / saved.record["image"]["file"]).unlink()
    monkeypatch.setattr("src_training.dataset.pixels._LEVEL", 9)
    again = dataset.append(frame(1), mask(1))
    assert again.seq == 2 and np.array_equal(again.image(), frame(1).pixels)
    assert dataset.heads() == [again]


def test_a_frame_is_found_again_by_its_pixels_and_its_patient(dataset):
    saved = dataset.append(frame(1), mask(1))
    assert dataset.find(frame(1)) == saved
    assert dataset.find(frame(2)) is None and dataset.find(frame(1, "someone else")) is None


def test_going_back_to_an_earlier_mask_is_a_revision_of_its_own(dataset):
    first = dataset.append(frame(1), mask(1))
    dataset.append(frame(1), mask(2))
    third = dataset.append(frame(1), mask(1))
    assert (third.seq, third == first) == (3, False)
    assert dataset.heads() == [third]


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_a_revision_that_can_be_asked_for(dataset, status):
    kept = dataset.append(frame(1), mask(1), Origin("uncertain" if status == "accepted" else "accepted"))
    changed = dataset.revise(kept, Origin(status))
    assert dataset.heads(status=status) == [changed]
    assert dataset.heads(status=kept.status) == []
    assert changed.vessel_px() == (0 if status == "no_vessel" else kept.vessel_px())


def test_deleting_is_a_revision_and_can_be_undone(dataset):
    kept = dataset.append(frame(1), mask(1))
    gone = dataset.revise(kept, Origin("rejected"))
    back = dataset.revise(gone, Origin("accepted"))
    assert [one.status for one in dataset.revisions(kept.case)] == ["accepted", "rejected", "accepted"]
    np.testing.assert_array_equal(back.mask(), kept.mask())


def test_two_corrections_of_one_revision_are_a_visible_conflict_until_somebody_settles_it(dataset):
    first = dataset.append(frame(1), mask(1))
    dataset.append(frame(2), mask(2))
    one = dataset.revise(first, Origin(annotator="a"), mask(11))
    other = dataset.revise(first, Origin(annotator="b"), mask(12))
    assert dataset.conflicts() == [[one, other]]
    assert [head.case for head in dataset.heads()] != [first.case] and len(dataset.heads()) == 1
    assert dataset.verify(deep=True).sound
    assert any("conflict" in note for note in dataset.verify().notes)

    unaware = dataset.append(frame(1), mask(13))
    assert set(dataset.conflicts()[0]) == {one, unaware}, "nobody looked at the conflict yet"
    settled = dataset.append(frame(1), mask(14), resolve=True)
    assert dataset.conflicts() == []
    assert settled in dataset.heads()


def test_two_people_who_say_the_same_are_no_conflict(dataset):
    first = dataset.append(frame(1), mask(1))
    same = dataset.revise(first, Origin(), mask(2))
    rewrite(same, created_utc="2026-01-01T00:00:00.000Z")
    reader = Dataset.open(dataset.folder)
    assert len(reader.case_heads(first.case)) == 2
    assert (reader.conflicts(), len(reader.heads())) == ([], 1)
    after = reader.append(frame(1), mask(3))
    assert reader.case_heads(first.case) == [after], "both were corrected"


def test_the_proposal_hash_is_of_the_pixels_so_an_unchanged_proposal_can_be_told(dataset):
    proposal = mask(1)
    saved = dataset.append(frame(1), proposal, Origin(model_id="m", proposal_sha256=mask_hash(proposal)))
    assert saved.record["mask"]["pixels_sha256"] == saved.record["proposal_sha256"]


def test_facts_of_the_frame_come_back(dataset):
    known = Frame(
        frame(1).pixels,
        "P1",
        frame_index=7,
        projection=Projection(-30.5, 20),
        calibration=Calibration("detector", 0.2, 0.25),
    )
    effort = {"seconds": 21.5, "strokes": np.int64(3), "comment": "Mrs Planted"}
    saved = Dataset.open(dataset.folder).head(dataset.append(known, mask(1), Origin(effort=effort)).case)
    assert (saved.frame_index, saved.projection, saved.calibration) == (
        7,
        known.projection,
        known.calibration,
    )
    assert saved.record["effort"] == {"seconds": 21.5, "strokes": 3}


@pytest.mark.parametrize(
    "grey",
    [
        Grey(),
        Grey(low=0, high=4095, inverted=True),
        Grey(low=0, high=4095, slope=2.5, intercept=-1024.0),
        Grey(low=0, high=4095, slope=-1, intercept=4095, padding=(0, 3)),
    ],
)
def test_training_sees_the_frame_as_the_viewer_showed_it(dataset, grey):
    pixels = np.random.default_rng(0).integers(0, 4096, (3, SIZE, SIZE)).astype(np.uint16)
    frames, _, header = array_cine(pixels).parts
    cine = Cine(frames, name="run", grey=grey, header=header)
    saved = Dataset.open(dataset.folder).head(dataset.append(Frame.from_cine(cine, 2), mask(1)).case)
    np.testing.assert_array_equal(saved.frame(), cine.frame(2))
    np.testing.assert_array_equal(saved.image(), cine.stored(2))
    assert saved.frame_index == 2


def test_vessels_that_were_bright_are_dark_for_training(dataset):
    bright = frame(1)
    saved = dataset.append(Frame(bright.pixels, vessels_bright=True), mask(1))
    shown = saved.frame()
    assert shown.dtype == np.uint8
    assert np.corrcoef(shown.ravel(), bright.pixels.ravel())[0, 1] == pytest.approx(-1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(["accepted", "uncertain"])),
        max_size=8,
    )
)
def test_any_history_is_kept_in_order_and_its_last_word_stands(tmp_path_factory, history):
    dataset = Dataset.create(tmp_path_factory.mktemp("d") / "dataset")
    last = {}
    for which, drawn, status in history:
        last[which] = dataset.append(frame(which), mask(drawn), Origin(status))
    reader = Dataset.open(dataset.folder)
    assert sorted(one.sha for one in reader.heads()) == sorted(one.sha for one in last.values())
    for which, revision in last.items():
        revisions = reader.revisions(revision.case)
        assert [one.seq for one in revisions] == list(range(1, len(revisions) + 1))
        expected = [pair for at, *pair in history if at == which][-1]
        assert (revision.says) == (expected[1], mask_hash(mask(expected[0])))
    assert reader.verify(deep=True).sound and reader.conflicts() == []


# -- what is refused -----------------------------------------------------------------------------------------

REFUSED = [
    (lambda: (frame(1), np.zeros((4, 4), np.uint8), "accepted"), "mask is 4x4, the frame 24x24"),
    (lambda: (frame(1), mask(1) * 2, "accepted"), "the mask holds 2"),
    (lambda: (frame(1), mask(1) * 0.5, "accepted"), "the mask holds 0.5"),
    (lambda: (frame(1), mask(1), "no_vessel"), "called no_vessel, but its mask marks"),
    (lambda: (frame(1), mask(1), "perfect"), "status 'perfect' is not known"),
    (lambda: (Frame(np.zeros((2, 4, 4))), mask(1), "accepted"), "not (Y, X)"),
    (lambda: (Frame(np.full((SIZE, SIZE), np.nan)), mask(1), "accepted"), "no finite pixel"),
    (lambda: (Frame(np.full((SIZE, SIZE), 1e38)), mask(1), "accepted"), "values beyond"),
    (lambda: (Frame(np.zeros((SIZE, SIZE), complex)), mask(1), "accepted"), "not grey values"),
]


@pytest.mark.parametrize(("what", "line"), REFUSED)
def test_what_cannot_be_kept_is_refused_in_one_line_and_leaves_no_trace(dataset, what, line):
    def refused():
        bad, its_mask, status = what()
        dataset.append(bad, its_mask, Origin(status))

    with pytest.raises(LightVesselError) as caught:
        refused()
    assert line in str(caught.value) and "\n" not in str(caught.value)
    assert list(dataset.cases()) == [] and os.listdir(dataset.folder / "cases") == []


@pytest.mark.parametrize(
    "facts",
    [
        {"annotator": "a@b.org"},
        {"annotator": "x" * 65},
        {"model_id": "/home/me/model"},
        {"proposal_sha256": "ab"},
    ],
)
def test_an_origin_that_would_carry_more_than_it_should_is_refused(facts):
    with pytest.raises(DatasetError, match="cannot be recorded"):
        Origin(**facts)


def test_a_mask_of_another_size_is_a_bad_mask(dataset):
    with pytest.raises(BadMask):
        dataset.append(frame(1), np.zeros((4, 4), np.uint8))


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_dataset_can_be_read_and_says_that_it_cannot_be_written(dataset):
    saved = dataset.append(frame(1), mask(1))
    for folder, _, _ in os.walk(dataset.folder):
        os.chmod(folder, 0o500)
    try:
        reader = Dataset.open(dataset.folder)
        assert reader.heads() == [saved]
        with pytest.raises(DatasetError, match=r"not saved.*write permission"):
            reader.append(frame(2), mask(2))
    finally:
        for folder, _, _ in os.walk(dataset.folder):
            os.chmod(folder, 0o700)


def test_creating_over_something_is_refused_and_a_creation_cut_short_can_be_repeated(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("full", "file"):
        with pytest.raises(DatasetError, match="Choose a new or empty folder"):
            Dataset.create(tmp_path / name)
    (tmp_path / "half" / "cases").mkdir(parents=True)
    assert Dataset.create(tmp_path / "half").verify().sound


@pytest.mark.parametrize("salt", ["xyz", "abc", "", "0x10"])
def test_a_salt_that_is_not_hex_is_refused(tmp_path, salt):
    with pytest.raises(DatasetError, match="not hex"):
        Dataset.create(tmp_path / "dataset", split_salt=salt)


# -- unknown keys, snapshots ---------------------------------------------------------------------------------


def test_keys_of_a_newer_version_survive(dataset):
    first = dataset.append(frame(1), mask(1))
    record_path(first).unlink()
    rewrite(first, heart_phase="end-diastole", nested={"a": [1, 2.5]})
    reader = Dataset.open(dataset.folder)
    kept = reader.head(first.case)
    assert kept.record["heart_phase"] == "end-diastole" and kept.record["nested"] == {"a": [1, 2.5]}
    assert reader.verify(deep=True).sound
    assert sealed(kept.record) == kept.record
    assert reader.append(frame(1), mask(2)).record["parent"] == kept.sha


def test_a_record_of_a_newer_schema_asks_for_an_update(dataset):
    first = dataset.append(frame(1), mask(1))
    rewrite(first, schema="lightvessel-revision/2")
    with pytest.raises(DatasetError, match="Update napari-lightvessel"):
        Dataset.open(dataset.folder).heads()


def test_a_snapshot_stays_what_it_was(dataset):
    first = [dataset.append(frame(n), mask(n)) for n in range(3)]
    frozen = dataset.snapshot("gate", first)
    dataset.append(frame(1), mask(9))
    assert Dataset.open(dataset.folder).load_snapshot("gate") == frozen
    assert set(frozen.revisions) == set(first)
    assert dataset.snapshot("gate", first[::-1]) == frozen, "order does not matter"
    assert dataset.snapshot("again", first).sha256 == frozen.sha256
    with pytest.raises(DatasetError, match="exists with other frames"):
        dataset.snapshot("gate", dataset.heads())


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 101])
def test_a_snapshot_name_that_is_no_file_name_is_refused(dataset, name):
    with pytest.raises(DatasetError, match="cannot be a file name"):
        dataset.snapshot(name, [])


def test_a_missing_snapshot_is_named(dataset):
    with pytest.raises(DatasetError, match="no snapshot 'gate'"):
        dataset.load_snapshot("gate")


# -- damage --------------------------------------------------------------------------------------------------


def flip(path, at=-20):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def blob(revision, kind):
    return revision.folder / revision.record[kind]["file"]


DAMAGE = {
    "a bit of a record": lambda d, r: flip(record_path(r), 30),
    "a status edited by hand": lambda d, r: edit(record_path(r), '"accepted"', '"rejected"'),
    "a patient edited by hand": lambda d, r: edit(record_path(r), r.patient_key, "0" * 64),
    "a record cut short": lambda d, r: record_path(r).write_bytes(record_path(r).read_bytes()[:50]),
    "an empty record": lambda d, r: record_path(r).write_bytes(b""),
    "a record that is no object": lambda d, r: record_path(r).write_bytes(b"[]"),
    "a record under another name": lambda d, r: record_path(r).rename(r.folder / f"r0003-{'0' * 16}.json"),
    "the first revision gone": lambda d, r: next(r.folder.glob("r0001*")).unlink(),
    "an image gone": lambda d, r: blob(r, "image").unlink(),
    "a mask gone": lambda d, r: blob(r, "mask").unlink(),
    "an image cut short": lambda d, r: blob(r, "image").write_bytes(blob(r, "image").read_bytes()[:40]),
    "an empty mask": lambda d, r: blob(r, "mask").write_bytes(b""),
    "a case under another name": lambda d, r: r.folder.rename(r.folder.with_name(r.case[:2] + "0" * 22)),
    "a sealed record that lies about its case": lambda d, r: rewrite(r, case="0" * 24),
    "a sealed record that points elsewhere": lambda d, r: rewrite(
        r, mask={**r.record["mask"], "file": "../../secret.png"}
    ),
    "a sealed record without a mask": lambda d, r: rewrite(r, mask=None),
    "a salt edited by hand": lambda d, r: edit(d.folder / "dataset.json", d.facts["split"]["salt"], "ab"),
    "a dataset.json cut short": lambda d, r: (d.folder / "dataset.json").write_bytes(b'{"schema'),
    "dataset.json gone": lambda d, r: (d.folder / "dataset.json").unlink(),
    "a snapshot edited by hand": lambda d, r: edit(d.folder / "snapshots/gate.json", r.case, "0" * 24),
}
DEEP_DAMAGE = {
    "a bit of an image": lambda d, r: flip(blob(r, "image")),
    "a bit of a mask": lambda d, r: flip(blob(r, "mask")),
    "an image of another case": lambda d, r: plant(d, r, "image"),
}


def plant(dataset, revision, kind):
    other = dataset.append(frame(50), mask(50))
    facts = other.record[kind]
    (revision.folder / facts["file"]).write_bytes(blob(other, kind).read_bytes())
    rewrite(revision, **{kind: facts})


@pytest.fixture
def filled(dataset):
    for number in range(4):
        dataset.append(frame(number), mask(number))
    saved = dataset.append(frame(1), mask(11))
    dataset.snapshot("gate", dataset.heads())
    return dataset, saved


@pytest.mark.parametrize("what", DAMAGE)
def test_verify_finds_damage(filled, what):
    dataset, saved = filled
    assert dataset.verify().sound
    DAMAGE[what](dataset, saved)
    report = dataset.verify()
    assert not report.sound and all("\n" not in line for line in report.problems)


@pytest.mark.parametrize("what", DEEP_DAMAGE)
def test_verify_deep_finds_damaged_pixels(filled, what):
    dataset, saved = filled
    assert dataset.verify(deep=True).sound
    DEEP_DAMAGE[what](dataset, saved)
    assert not dataset.verify(deep=True).sound


def test_left_overs_are_notes_and_not_damage(filled):
    dataset, saved = filled
    (saved.folder / ".0123456789abcdef.tmp").write_bytes(b"half a rec")
    (saved.folder / f"mask-{'0' * 16}.png").write_bytes(b"no record names me")
    (dataset.folder / "cases" / "Thumbs.db").write_bytes(b"x")
    (dataset.folder / ".quarantine").mkdir()
    report = dataset.verify(deep=True)
    assert report.sound and len(report.notes) == 3
    assert len(dataset.heads()) == 4


def test_a_damaged_record_is_told_instead_of_an_older_mask(filled):
    dataset, saved = filled
    flip(record_path(saved), 30)
    with pytest.raises(DatasetError, match=f"{saved.case}/{saved.name}"):
        Dataset.open(dataset.folder).heads()


def test_a_damaged_neighbour_does_not_keep_a_new_mask_from_being_saved(filled):
    dataset, saved = filled
    flip(record_path(saved), 30)
    reader = Dataset.open(dataset.folder)
    new = reader.append(frame(1), mask(12))
    assert new.seq == 3 and record_path(new).is_file()


def test_a_damaged_image_is_told_and_never_trained_on(filled):
    _, saved = filled
    flip(blob(saved, "image"))
    with pytest.raises(DatasetError, match="not what was saved"):
        saved.image()


def test_records_are_json_a_person_can_read(filled):
    _, saved = filled
    record = json.loads(record_path(saved).read_text())
    assert record["status"] == "accepted" and record["mask"]["shape"] == [SIZE, SIZE]
