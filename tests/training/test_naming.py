"""Promises about names: they are matched one to one, by one rule, and what could mean two things means neither."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src_training.naming import Name, masks_among, match, written

LEAVES = [
    "f1",
    "f01",
    "F1",
    "f 1",
    "f%201",
    "f1_mask",
    "f1-seg",
    "zoë",
    unicodedata.normalize("NFD", "zoë"),
    "1.2.3",
]
RUNS = ["", "runA", "runB", "RUNA", "p/runA", "p/runB", "q/runA", "images", "run_1", "run_01"]
ENDINGS = ["", ".png", ".tif", ".PNG"]
names = st.builds(
    lambda run, leaf, ending: written("/".join(part for part in (run, leaf + ending) if part)),
    st.sampled_from(RUNS),
    st.sampled_from(LEAVES),
    st.sampled_from(ENDINGS),
)
several = st.lists(names, max_size=8, unique_by=lambda name: unicodedata.normalize("NFC", name.text))


def said(asked, there, masks=False):
    """What a matching says, in names."""
    found = match(asked, there, masks=masks)
    return (
        {(asked[one], there[other]) for one, other in found.pairs},
        {asked[one] for one in found.ambiguous},
        {there[one] for one in found.contested},
        {asked[one] for one in found.unmatched},
    )


@given(several, several, st.booleans())
def test_every_name_asked_for_is_paired_once_or_named(asked, there, masks):
    found = match(asked, there, masks=masks)
    ones, others = [one for one, _ in found.pairs], [other for _, other in found.pairs]
    assert len(set(ones)) == len(ones) and len(set(others)) == len(others)
    contested = {one for several in found.contested.values() for one in several}
    assert {*ones, *found.ambiguous, *contested, *found.unmatched} == set(range(len(asked)))
    assert not set(ones) & {*found.ambiguous, *contested, *found.unmatched}


@given(several, several, st.booleans(), st.randoms())
def test_the_order_of_the_names_does_not_matter(asked, there, masks, order: random.Random):
    again = [order.sample(asked, len(asked)), order.sample(there, len(there))]
    assert said(asked, there, masks) == said(*again, masks)


@given(several, several)
def test_a_name_that_is_there_to_the_letter_is_taken_before_any_other(asked, there):
    asked = [*there, *(one for one in asked if one not in there)]
    pairs = said(asked, there)[0]
    assert {(one, one) for one in there} <= pairs


@given(several, several, st.booleans())
def test_two_runs_are_never_mixed(asked, there, masks):
    for one, other in said(asked, there, masks)[0]:
        folders = [[part.casefold() for part in name.folders if part != "images"] for name in (one, other)]
        shorter = min(map(len, folders))
        ends = [part[len(part) - shorter :] for part in folders]
        assert ends[0] == ends[1], (one, other)


@given(names, st.lists(st.sampled_from(["r1", "r2", "r3"]), min_size=2, max_size=3, unique=True))
def test_a_name_that_says_no_run_is_refused_where_several_runs_have_it(name, runs):
    there = [Name(name.leaf, (run,)) for run in runs]
    pairs, ambiguous, _, _ = said([Name(name.leaf)], there)
    assert not pairs and ambiguous == {Name(name.leaf)}


@given(names, st.lists(st.sampled_from(["r1", "r2", "r3"]), min_size=2, max_size=3, unique=True))
def test_a_file_that_several_runs_are_said_to_have_goes_to_none_of_them(name, runs):
    asked = [Name(name.leaf, (run,)) for run in runs]
    pairs, _, contested, _ = said(asked, [Name(name.leaf)])
    assert not pairs and contested == {Name(name.leaf)}


@given(st.sampled_from(LEAVES), st.sampled_from(RUNS[1:3]))
def test_a_name_is_known_again_however_a_program_writes_it(leaf, run):
    there = [Name(f"{leaf}.png", (run,)), Name("another.png", (run,))]
    for text in (
        f"{run}/{leaf}.png",
        f"C:\\study\\{run}\\{leaf}.png",
        f"./images/{run}/{leaf if '%' in leaf else quote(leaf)}.png",
        f"{leaf}.png".upper(),
        unicodedata.normalize("NFD", f"{leaf}.png"),
        leaf,
    ):
        assert match([written(text)], there).pairs == [(0, 0)], text


FITS = [  # masks, images, pairs
    (["f1_mask.png", "f1.png"], ["f1.webp"], []),
    (["f1.png", "F1.png"], ["f1.webp"], [(0, 0)]),
    (["f1_mask.png"], ["f1.png", "f1.tif"], []),
    (["f1.png"], ["f1.png", "f1.tif"], []),
    (["a.png", "a_seg.png"], ["a.png", "a_seg.png"], [(0, 0), (1, 1)]),
    (["a_Label.tif"], ["A.png"], [(0, 0)]),
    (["case 7-seg.nii.gz"], ["case%207.png"], [(0, 0)]),
    (["frame_1.png"], ["frame_001.png"], [(0, 0)]),
    (["frame_1.png"], ["frame_01.png", "frame_001.png"], []),
    (["frame_1.png", "frame_01.png"], ["frame_01.png"], [(1, 0)]),
    (["frame_10.png"], ["frame_1.png", "frame_100.png"], []),
    (["1.2.840.1_mask.png", "1.2.840.2.png"], ["1.2.840.2", "1.2.840.1"], [(0, 1), (1, 0)]),
    (["runA/f1.png", "f1.png"], ["runA/f1.png", "runB/f1.png"], [(0, 0)]),
    (["f1.png"], ["runA/f1.png"], [(0, 0)]),
    (["runA/f1.png"], ["runB/f1.png"], []),
    (["P01/run1/f1.png"], ["P02/run1/f1.png"], []),
]


@pytest.mark.parametrize(("masks", "images", "pairs"), FITS)
def test_masks_find_their_images(masks, images, pairs):
    assert match([*map(written, masks)], [*map(written, images)], masks=True).pairs == pairs


def test_the_folder_around_speaks_for_a_run_but_never_against_one():
    image = Name("f1.png", (), Path("/study/runA").parts)
    assert match([written("runA/f1.png"), written("runB/f1.png")], [image]).pairs == [(0, 0)]
    assert match([written("train2017/f1.png")], [image]).pairs == [(0, 0)]


def test_masks_beside_their_images_are_known():
    names = [
        "f1.png",
        "f1_mask.png",
        "f2.png",
        "f2-seg.tif",
        "x_seg.png",
        "y_mask.png",
        "Z.PNG",
        "z_Label.png",
    ]
    assert masks_among(names) == {"f1_mask.png", "f2-seg.tif", "y_mask.png", "z_Label.png"}
