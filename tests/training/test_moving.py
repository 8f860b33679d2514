"""Promises of taking a frame back and of giving it to its patient: nothing lost, whenever it is cut short."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from durable_disks import DyingDisk, frame, mask
from forking import forked

from src_training import durable
from src_training.dataset import Dataset, Frame, Origin, one_sided, twins_of
from src_training.dataset.moving import move, withdraw
from src_training.errors import DatasetError

STORY = Origin(
    annotator="reader-1",
    model_id="small",
    proposal_sha256="a" * 64,
    effort={"seconds": 21.5, "strokes": 3, "pixels_added": 7, "pixels_removed": 2},
)


@pytest.fixture
def dataset(tmp_path):
    return Dataset.create(tmp_path / "dataset")


@pytest.fixture
def nameless(dataset):
    """A frame that was saved before anybody typed its patient."""
    return dataset.append(replace(frame(1, ""), frame_index=7), mask(1), STORY)


def test_a_withdrawn_frame_is_a_new_revision_and_deletes_nothing(dataset, nameless):
    gone = withdraw(dataset, dataset.case_heads(nameless.case), "reader-2")
    assert (gone.status, gone.annotator, gone.seq) == ("rejected", "reader-2", 2)
    assert dataset.revisions(nameless.case) == [nameless, gone]
    assert dataset.heads(status="accepted") == [] and dataset.verify(deep=True).sound
    assert withdraw(dataset, [gone]) == gone, "twice is once"
    back = dataset.revise(gone, Origin("accepted"))
    np.testing.assert_array_equal(back.mask(), mask(1))


def test_withdrawing_a_conflict_settles_it(dataset, nameless):
    dataset.revise(nameless, Origin(), mask(2))
    dataset.revise(nameless, Origin(), mask(3))
    assert dataset.conflicts()
    withdraw(dataset, dataset.case_heads(nameless.case))
    assert dataset.conflicts() == [] and dataset.heads(status="accepted") == []


def test_work_that_came_between_look_and_withdrawal_stands_as_a_visible_conflict(dataset, nameless):
    seen = dataset.case_heads(nameless.case)
    other = dataset.append(frame(1, ""), mask(2))
    gone = withdraw(dataset, seen)
    assert set(dataset.case_heads(nameless.case)) == {other, gone} and dataset.conflicts()


def test_a_moved_frame_stands_at_its_patient_with_its_mask_its_story_and_where_it_was(dataset, nameless):
    moved = move(dataset, nameless, "P17", "reader-2")
    assert moved == dataset.find(frame(1, "P17")) and moved.case != nameless.case
    np.testing.assert_array_equal(moved.mask(), mask(1))
    np.testing.assert_array_equal(moved.image(), frame(1).pixels)
    for fact in ("status", "annotator", "model_id", "proposal_sha256", "effort", "frame_index", "grey"):
        assert moved.record[fact] == nameless.record[fact], fact
    assert moved.record["moved_from"] == {"case": nameless.case, "revision": nameless.sha}
    assert moved.record["moved_by"] == "reader-2"
    assert dataset.head(nameless.case).status == "rejected"
    assert dataset.head(nameless.case).annotator == "reader-2"
    assert Dataset.open(dataset.folder).verify(deep=True).sound


def test_after_a_move_every_reader_sees_one_case_only(dataset, nameless):
    moved = move(dataset, nameless, "P17")
    standing = [head for head in dataset.heads() if head.status != "rejected"]
    assert standing == [moved] == one_sided(standing)
    assert list(twins_of(dataset, [moved])) == []
    assert not any("patients" in note for note in dataset.verify().notes)


def test_moving_twice_is_moving_once(dataset, nameless):
    moved = move(dataset, nameless, "P17")
    assert move(dataset, nameless, "P17") == moved
    assert move(dataset, dataset.head(nameless.case), "p 17".replace(" ", "")) == moved
    assert [len(dataset.revisions(case)) for case in (nameless.case, moved.case)] == [2, 1]


def test_a_frame_that_went_to_the_wrong_patient_goes_on_to_the_right_one_and_back(dataset, nameless):
    first = move(dataset, nameless, "P17")
    second = move(dataset, first, "P18")
    third = move(dataset, second, "P17")
    standing = [head for head in dataset.heads() if head.status != "rejected"]
    assert standing == [third] and third.case == first.case and third.seq == 3
    assert dataset.conflicts() == []


def test_another_mask_that_stands_at_the_patient_is_contradicted_visibly(dataset, nameless):
    other = dataset.append(frame(1, "P17"), mask(5))
    moved = move(dataset, nameless, "P17")
    assert dataset.conflicts() == [[other, moved]] or dataset.conflicts() == [[moved, other]]


@pytest.mark.parametrize("patient", ["", " ", "anonymous", "000"])
def test_an_unknown_patient_is_no_place_to_move_to(dataset, nameless, patient):
    with pytest.raises(DatasetError, match="means unknown"):
        move(dataset, nameless, patient)
    assert dataset.heads() == [nameless]


def test_what_cannot_be_moved_is_said_and_nothing_is_written(dataset, nameless):
    with pytest.raises(DatasetError, match="pseudonym"):
        move(dataset, nameless, "P17", "somebody@example.org")
    gone = withdraw(dataset, [nameless])
    with pytest.raises(DatasetError, match="withdrawn"):
        move(dataset, gone, "P17")
    there = dataset.append(frame(2, "P2"), mask(2))
    with pytest.raises(DatasetError, match="already"):
        move(dataset, there, "p2")
    assert len(list(dataset.cases())) == 2


def test_rounded_grey_values_are_moved_with_the_frame_itself_and_never_without(dataset):
    values = np.random.default_rng(0).normal(size=(24, 24))
    kept = dataset.append(Frame(values), mask(1))
    with pytest.raises(DatasetError, match="rounded"):
        move(dataset, kept, "P17")
    with pytest.raises(DatasetError, match="another picture"):
        move(dataset, kept, "P17", pixels=values + 1)
    assert move(dataset, kept, "P17", pixels=values) == dataset.find(Frame(values, "P17"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the harness forks")
def test_killed_at_every_step_of_a_move_the_mask_is_never_lost_and_the_next_move_finishes(tmp_path):
    """Each child dies at its k-th operation on the disk; the first that lives has done every one of them."""
    finished = False
    for step in range(80):
        dataset = Dataset.create(tmp_path / str(step) / "dataset")
        kept = dataset.append(frame(1, ""), mask(1), STORY)

        def dying(dataset=dataset, kept=kept, step=step):
            durable.disk = DyingDisk(step)
            move(dataset, kept, "P17")

        _, status = os.waitpid(forked(dying), 0)
        after = Dataset.open(dataset.folder)
        standing = [head for head in after.heads() if head.status == "accepted"]
        assert standing and all(np.array_equal(head.mask(), mask(1)) for head in standing), step
        assert after.verify(deep=True).sound
        moved = move(after, after.head(kept.case), "P17")
        assert [head for head in after.heads() if head.status != "rejected"] == [moved], step
        if finished := status == 0:
            break
    assert finished and step > 10
