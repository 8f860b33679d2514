"""Promises about the base frames: near-duplicates never straddle, vessel-like background is ignored."""

from __future__ import annotations

import json

import imagecodecs
import numpy as np
import pytest
from scipy import ndimage

from src_training import Predictor, synthetic_cine
from src_training.cli import main
from src_training.errors import DatasetError
from src_training.samples import BEYOND, home_frames, replay_frames, sample_frames
from src_training.training.arcade import (
    NEAR_DUPLICATE,
    LabelledFrame,
    likeness_matrix,
    read_split,
    read_unlabelled,
    split_holdout,
)
from src_training.training.quick_frames import write_quick_arcade
from src_training.training.ridges import full_tree_label, ignore_unlabelled_vessels


def drawn(seed: int) -> LabelledFrame:
    """The fullest frame of a synthetic cine."""
    made = synthetic_cine(seed, n_frames=8, shape=(512, 512))
    t = int(np.argmax(made.masks.sum(axis=(1, 2))))
    return LabelledFrame(str(seed), made.cine.frame(t).astype(np.uint8), made.masks[t])


@pytest.fixture(scope="module")
def frames() -> list[LabelledFrame]:
    return [drawn(seed) for seed in range(6)]


def test_a_shifted_noisy_twin_is_found_and_strangers_are_not(frames):
    images = [frame.image for frame in frames]
    noise = np.random.default_rng(0).normal(0, 5, images[2].shape)
    twin = ndimage.shift(images[2].astype(float), (9, -6), mode="nearest") * 0.9 + noise
    likeness = likeness_matrix([twin], images)[0]
    assert likeness[2] > NEAR_DUPLICATE
    assert np.delete(likeness, 2).max() < NEAR_DUPLICATE


def test_a_near_duplicate_of_a_held_out_frame_is_not_trained_on(frames):
    doubled = frames + [LabelledFrame(f"{f.name}-again", f.image, f.mask) for f in frames]
    train, held_out = split_holdout(doubled, 4)
    kept, held = ({frame.name.split("-")[0] for frame in part} for part in (train, held_out))
    assert len(held_out) == 4
    assert not kept & held


def test_a_side_branch_that_nobody_outlined_is_ignored_and_plain_background_is_not(frames):
    frame = frames[0]
    columns = np.arange(frame.mask.shape[1])
    middle = int(np.median(np.nonzero(frame.mask)[1]))
    outlined = (frame.mask == 1) & (columns < middle)
    omitted = (frame.mask == 1) & (columns > middle + 8)
    label = ignore_unlabelled_vessels(frame.image, outlined.astype(np.uint8))
    assert np.array_equal(label == 1, outlined)
    assert np.mean(label[omitted] == 255) > 2 * np.mean(label == 255)
    assert np.mean(label == 255) < 0.25


def test_a_frame_without_outlines_stays_as_it_is(frames):
    empty = np.zeros_like(frames[0].mask)
    assert ignore_unlabelled_vessels(frames[0].image, empty) is empty
    assert full_tree_label(frames[0].image, empty) is empty


def test_shipped_packs_hold_frames_and_labels_of_one_size():
    assert (len(replay_frames()), len(home_frames()), len(sample_frames())) == (64, 40, 3)
    for frame in replay_frames() + home_frames():
        assert frame.image.shape == frame.label.shape == (512, 512)
        assert set(np.unique(frame.label)) <= {0, 1, BEYOND, 255}
        assert set(np.unique(frame.label_for("full-tree"))) <= {0, 1, 255}
        assert set(np.unique(frame.label_for("syntax"))) <= {0, 1}


def test_a_folder_that_is_not_arcade_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"no index\.csv"):
        read_split(tmp_path, "train")


def test_the_home_panel_has_no_near_duplicate_in_training(shared_data):
    train = read_split(shared_data / "arcade", "train")
    likeness = likeness_matrix([f.image for f in home_frames()][:10], [f.image for f in train])
    assert likeness.max() < NEAR_DUPLICATE


def test_one_command_trains_a_student_that_segments(frames, tmp_path, capsys):
    arcade = tmp_path / "arcade"
    rows = ["split,image,mask,pixels_md5"]
    for folder in ("images", "masks"):
        (arcade / "train" / folder).mkdir(parents=True)
    for frame in frames:
        names = f"train/images/{frame.name}.png", f"train/masks/{frame.name}.png"
        (arcade / names[0]).write_bytes(imagecodecs.png_encode(frame.image))
        (arcade / names[1]).write_bytes(imagecodecs.png_encode(frame.mask * np.uint8(255)))
        rows.append(f"train,{names[0]},{names[1]},")
    (arcade / "index.csv").write_text("\n".join(rows) + "\n")
    options = ["--set", "holdout=2", "--set", "crop_sizes=[128]", "--set", "batch_pixels=65536", "--json"]
    out = tmp_path / "out"
    assert main(["train", "student", "--arcade", str(arcade), "-o", str(out), "--steps", "3", *options]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])  # its progress stands before
    probability = Predictor.load(record["model"]).probability(frames[0].image)
    assert probability.shape == (512, 512)
    card = json.loads((out / "model" / "card.json").read_text())
    assert card["label_protocol"] == "full-tree" and card["recipe"]["train student"]["steps"] == 3


def test_frames_of_16_bits_are_read_like_the_same_of_8(tmp_path):
    arcade = write_quick_arcade(tmp_path, train=1, val=1, unlabelled=1)
    before = read_split(arcade, "train") + read_unlabelled(arcade)
    for place in ("train/images/0.png", "unlabelled/2.png"):
        picture = imagecodecs.png_decode((arcade / place).read_bytes()).astype(np.uint16) * 16 + 7
        (arcade / place).write_bytes(imagecodecs.png_encode(picture))
    for eight, sixteen in zip(before, read_split(arcade, "train") + read_unlabelled(arcade), strict=True):
        assert sixteen.image.dtype == np.uint8
        assert np.corrcoef(eight.image.ravel(), sixteen.image.ravel())[0, 1] > 0.99
