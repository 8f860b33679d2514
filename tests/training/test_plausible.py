"""Promises of the gate before a mask is stored: what cannot be the vessels of its frame is found and named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_angiograms import SIDE, angiogram

from src_training.dataset.frame import STATUSES, Frame
from src_training.dataset.intake import inverted
from src_training.dataset.plausible import contrast_of, judge, judge_frame
from src_training.samples import home_frames

seeds = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)
# What was done to the mask → what is said to make it fit.
TURNS = {
    "turned by 90°": lambda mask: np.rot90(mask, 3),
    "turned by 180°": lambda mask: np.rot90(mask, 2),
    "turned by 270°": np.rot90,
    "upside down": np.flipud,
    "mirrored": np.fliplr,
    "transposed": np.transpose,
}


def codes(found):
    return [one.code for one in found.findings]


@few
@given(seeds)
def test_the_mask_of_its_own_frame_is_taken(seed):
    frame, mask = angiogram(seed)
    found = judge(frame, mask)
    assert not found.findings and found.polarity == "dark" and found.text == ""
    assert found.share == pytest.approx(mask.mean(), rel=0.2)


@few
@given(seeds, st.sampled_from(list(TURNS)))
def test_a_turned_mask_is_found_and_said_how(seed, turn):
    frame, mask = angiogram(seed)
    found = judge(frame, TURNS[turn](mask))
    if not found.findings:
        assert found.contrast < 0.5, "a turned tree may meet some of its own vessels by chance"
    else:
        assert codes(found) == ["misfit"] and f"it fits {turn}" in found.text, found.text


def test_of_turned_masks_nearly_all_are_found():
    tried = [(seed, turn) for seed in range(12) for turn in TURNS]
    missed = [
        one for one in tried if not judge(angiogram(one[0])[0], TURNS[one[1]](angiogram(one[0])[1])).findings
    ]
    assert len(missed) <= len(tried) // 20, missed


@few
@given(seeds, st.integers(18, 40), st.sampled_from([(1, 0, "up"), (0, 1, "left"), (0, -1, "right")]))
def test_a_moved_mask_is_found_and_said_how_far(seed, pixels, way):
    frame, mask = angiogram(seed)
    down, right, back = way
    gone = mask[-pixels:] if down else mask[:, -pixels:] if right > 0 else mask[:, :pixels]
    found = judge(frame, np.roll(mask, (down * pixels, right * pixels), (0, 1)))
    if not found.findings:
        assert found.contrast < 0.7, "a mask that was moved along a vessel may still lie on most of it"
    else:
        assert codes(found) == ["misfit"]
        # Of what has mostly left the picture nobody can tell how far it went.
        if gone.sum() < 0.45 * mask.sum():
            assert "it fits" in found.text and f" {back}" in found.text


@few
@given(seeds, seeds)
def test_the_mask_of_another_frame_is_found(seed, other):
    frame, mask = angiogram(seed)[0], angiogram(other + 20_000)[1]
    found = judge(frame, mask)
    assert codes(found) in (["misfit"], ["polarity"])


@few
@given(seeds, st.booleans())
def test_a_black_on_white_mask_is_found_and_inverting_it_mends_it(seed, some_ignored):
    frame, mask = angiogram(seed)
    if some_ignored:
        mask[:6] = 255
    found = judge(frame, inverted(mask))
    assert codes(found) == ["inverted"] and "--invert-masks" in found.text
    np.testing.assert_array_equal(inverted(inverted(mask)), mask)
    assert not judge(frame, inverted(inverted(mask))).findings


@few
@given(seeds, st.floats(0.36, 1.0))
def test_a_mask_that_covers_too_much_is_found(seed, share):
    frame, mask = angiogram(seed)
    mask[: round(share * SIDE)] = 1
    assert codes(judge(frame, mask))[0] in ("share", "inverted")
    assert codes(judge(frame, np.ones_like(mask))) == ["share"]


@pytest.mark.parametrize("status", STATUSES)
def test_an_empty_mask_is_odd_where_vessels_are_promised(status):
    frame, mask = angiogram(1)
    promised = status in ("accepted", "uncertain", "proposed")
    for empty in (mask * 0, np.full_like(mask, 255)):
        assert codes(judge(frame, empty, status)) == (["empty"] if promised else [])


@few
@given(
    seeds, st.floats(0.05, 400), st.floats(-1000, 1000), st.sampled_from([np.float32, np.float64, np.int32])
)
def test_grey_values_may_be_of_any_kind(seed, slope, intercept, dtype):
    frame, mask = angiogram(seed)
    other = (frame * max(slope, 1 if dtype == np.int32 else 0) + intercept).astype(dtype)
    assert contrast_of(other, mask == 1) == pytest.approx(contrast_of(frame, mask == 1), abs=0.05)


@few
@given(seeds)
def test_bright_vessels_are_told_and_taken_when_they_are_said_to_be(seed):
    frame, mask = angiogram(seed)
    found = judge(255 - frame, mask)
    assert codes(found) == ["polarity"] and found.polarity == "bright" and "--vessels bright" in found.text
    told = judge(255 - frame, mask, vessels_bright=True)
    assert not told.findings and told.polarity == "bright"
    wrong = judge(frame, mask, vessels_bright=True)
    assert codes(wrong) == ["polarity"] and wrong.polarity == "dark" and "--vessels dark" in wrong.text
    assert not judge_frame(Frame(255 - frame, vessels_bright=True), mask).findings


def test_a_frame_without_any_picture_holds_no_mask():
    mask = angiogram(3)[1]
    for nothing in (np.zeros((SIDE, SIDE)), np.full((SIDE, SIDE), np.nan)):
        assert codes(judge(nothing, mask)) == ["misfit"]


def test_what_is_too_small_to_tell_is_not_judged_by_its_contrast():
    frame, mask = angiogram(3)
    tiny = np.zeros_like(mask)
    tiny[80, 80] = 1
    assert judge(frame, tiny).contrast is None and not judge(frame, tiny).findings
    small = judge(frame[:40, :40], np.eye(40, dtype=np.uint8))
    assert small.contrast is None and not small.findings


def test_real_masks_fit_their_frames_and_no_other():
    frames = [frame for frame in home_frames() if frame.label_for("syntax") is not None][:6]
    masks = [frame.label_for("syntax") for frame in frames]
    for at, frame in enumerate(frames):
        assert not judge(frame.image, masks[at]).findings
        assert codes(judge(frame.image, masks[at - 1])) == ["misfit"]
        assert "it fits turned by 90°" in judge(frame.image, np.rot90(masks[at], 3)).text
        assert codes(judge(frame.image, inverted(masks[at]))) == ["inverted"]
