"""Masks that lie beside their images are told from frames by one rule."""

from __future__ import annotations

from pathlib import Path

import cine_files as files
import imagecodecs
from hypothesis import given
from hypothesis import strategies as st

from src_training.cine import find_inputs, read_cine
from src_training.cine.beside import masks_beside

STEMS = st.from_regex(r"[a-z]{1,5}[0-9]{0,3}", fullmatch=True)
ENDS = st.sampled_from(["_mask", "-mask", "_Mask", "_masks", "_label", "_seg", "_gt", ".mask"])
KINDS = st.sampled_from([".png", ".tif", ".dcm", ".webp"])


@given(st.dictionaries(STEMS, st.tuples(KINDS, st.none() | st.tuples(ENDS, KINDS)), max_size=8))
def test_a_mask_is_what_is_called_like_an_image_with_an_ending_more(folder):
    images = {Path("d") / f"{stem}{kind}" for stem, (kind, _) in folder.items()}
    masks = {Path("d") / f"{stem}{end[0]}{end[1]}" for stem, (_, end) in folder.items() if end}
    assert masks_beside(images | masks) == masks - images


@given(st.sets(STEMS, min_size=1), ENDS)
def test_a_folder_of_masks_alone_keeps_them_and_so_does_another_folder(stems, end):
    masks = {Path("masks") / f"{stem}{end}.png" for stem in stems}
    assert masks_beside(masks) == set()
    assert masks_beside(masks | {Path("images") / f"{stem}.png" for stem in stems}) == set()


def test_a_folders_cine_has_no_mask_among_its_frames(tmp_path):
    stack = files.grey(frames=3)
    for t in range(3):
        (tmp_path / f"f{t}.png").write_bytes(imagecodecs.png_encode(stack[t]))
        (tmp_path / f"f{t}_mask.png").write_bytes(imagecodecs.png_encode(stack[t] // 255))
    assert read_cine(tmp_path, as_cine=True).shape == stack.shape
    assert [path.name for path in find_inputs([tmp_path])] == ["f0.png", "f1.png", "f2.png"]
    assert len(find_inputs([tmp_path], masks=True)) == 6
    assert find_inputs([tmp_path / "f1_mask.png"]) == [tmp_path / "f1_mask.png"]
