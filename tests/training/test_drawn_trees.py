"""Promises of drawn trees: the label is the vessel, nothing else is, and no real vessel shines through."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import sato

from src_training.evaluation.stress import vessel_width_px
from src_training.samples import home_frames
from src_training.training.drawn_arteries import Growth, grow_arteries
from src_training.training.drawn_rays import Bundle, Tube
from src_training.training.drawn_trees import TreeSettings, draw_frame, remove_vessels

NO_DISTRACTORS = {"catheter": 0.0, "hardware": 0.0, "body_edges": 0.0, "reflux": 0.0}
VESSELS_ONLY = TreeSettings(sharpen=0).model_copy(update=NO_DISTRACTORS)
EVERYTHING = TreeSettings(catheter=1, hardware=1, body_edges=1, reflux=1)


@pytest.fixture(scope="module")
def real():
    """Shipped frames of different looks."""
    return [frame for frame in home_frames()[:24:8] if (frame.label == 1).any()]


@pytest.fixture(scope="module")
def backgrounds(real):
    return [remove_vessels(frame.image) for frame in real]


def grey(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(140, 3, shape)
    return np.clip(noise, 0, 255).astype(np.uint8)


def draw(background: np.ndarray, seed: int, settings: TreeSettings = TreeSettings()):
    return draw_frame(background, np.random.default_rng(seed), settings)


def darkening(background: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return background.astype(int) - frame


def ridge_excess(frame: np.ndarray, label: np.ndarray) -> float:
    """Ridge response inside the outlines above that of the background."""
    response = sato(frame.astype(np.float32), sigmas=(2.0, 4.0, 6.0), black_ridges=True)
    return float(response[label == 1].mean() - response[label == 0].mean())


def test_the_same_generator_draws_the_same_frame(backgrounds):
    first, again, other = (draw(backgrounds[0], seed) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("seed", range(4))
def test_labelled_pixels_are_darker_than_without_the_tree(backgrounds, seed):
    background = backgrounds[seed % len(backgrounds)]
    frame, label = draw(background, seed, VESSELS_ONLY)
    darker = darkening(background, frame)[label == 1]
    assert darker.size > 1000
    assert darker.mean() > 8 and np.mean(darker >= 2) > 0.97


def test_the_promise_of_darkness_fails_for_a_label_beside_the_vessel(backgrounds):
    """A harness must fail on a planted bug."""
    frame, label = draw(backgrounds[0], 0, VESSELS_ONLY)
    shifted = np.roll(label, 40, axis=1) == 1
    assert np.mean(darkening(backgrounds[0], frame)[shifted] >= 2) < 0.6


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_drawn_away_from_the_label(backgrounds, seed):
    background = backgrounds[seed % len(backgrounds)]
    frame, label = draw(background, seed, VESSELS_ONLY)
    away = ndimage.distance_transform_edt(label == 0) > 5
    assert away.mean() > 0.5
    assert np.abs(darkening(background, frame))[away].max() <= 2


def test_distractors_darken_the_background_and_leave_the_label_alone(backgrounds):
    for seed in range(3):
        frame, label = draw(backgrounds[0], seed, EVERYTHING)
        plain, plain_label = draw(backgrounds[0], seed, EVERYTHING.model_copy(update=NO_DISTRACTORS))
        assert np.array_equal(label, plain_label)
        differs = (darkening(plain, frame) > 8) & (label == 0)
        assert np.count_nonzero(differs) > 500


def test_trees_have_wide_mains_and_thin_ends():
    widths = []
    for seed in range(6):
        _, label = draw(grey((512, 512)), seed, VESSELS_ONLY)
        widths.append(np.percentile(vessel_width_px(label)[label == 1], [2, 98]))
    thin, wide = np.transpose(widths)
    assert thin.max() < 4
    assert wide.min() > 7 and wide.max() < 24


@pytest.mark.parametrize("side", ["left", "right"])
def test_vessels_taper_and_branches_are_thinner_than_their_parents(side):
    for seed in range(5):
        healthy = Growth(root_px=6, lavish=1, tortuosity=0.03, stenosis=0, occlusion=0)
        arteries = grow_arteries(np.random.default_rng(seed), side, healthy)
        assert max(artery.generation for artery in arteries) >= 2
        for artery in arteries:
            tenth = max(1, len(artery.radii) // 10)
            assert artery.radii[-tenth:].mean() < artery.radii[:tenth].mean()
            assert artery.generation == 0 or artery.radii[0] < artery.parent_radius * 1.1


def test_the_left_main_divides_by_murrays_law():
    healthy = Growth(root_px=6, lavish=0, tortuosity=0, stenosis=0, occlusion=0)
    kept = []
    for seed in range(30):
        trunk, circumflex = grow_arteries(np.random.default_rng(seed), "left", healthy)
        before, after = (trunk.radii[int(at * len(trunk.radii))] for at in (0.2, 0.28))
        kept.append((after**3 + circumflex.radii[0] ** 3) / before**3)
    assert np.mean(kept) == pytest.approx(1, abs=0.12)


def test_fainter_contrast_is_labelled_less_and_never_called_background(backgrounds):
    strong, faint = (
        draw(backgrounds[0], 3, VESSELS_ONLY.model_copy(update={"contrast": (peak, peak)}))[1]
        for peak in (0.8, 0.1)
    )
    assert np.count_nonzero(faint == 1) < 0.7 * np.count_nonzero(strong == 1)
    assert np.count_nonzero(faint == 255) > np.count_nonzero(strong == 255)


@pytest.mark.parametrize("shape", [(128, 128), (300, 260), (512, 512), (1024, 1024)])
def test_any_size_is_drawn_in_proportion(shape):
    frame, label = draw(grey(shape), 5, EVERYTHING)
    assert frame.shape == label.shape == shape
    assert frame.dtype == label.dtype == np.uint8
    assert set(np.unique(label)) <= {0, 1, 255}
    assert 0.01 < np.mean(label == 1) < 0.2


@pytest.mark.parametrize("radius", [0.5, 1.3, 6.0])
def test_path_length_is_conserved_down_to_widths_below_a_pixel(radius):
    """The sum over a straight tube is its volume, wherever it lies on the grid."""
    along = np.linspace(-60, 60, 201)[:, None]
    line = np.array([80.3, 80.7]) + along * [np.cos(0.4), np.sin(0.4)]
    bundle = Bundle.of([Tube(line, np.full(201, radius), np.ones(201))])
    assert bundle.thickness((160, 160)).sum() == pytest.approx(np.pi * radius**2 * 120, rel=0.12)
    everywhere = np.ones(201, dtype=bool)
    assert bundle.coverage(everywhere, (160, 160)).sum() == pytest.approx(2 * radius * 120, rel=0.02)


def test_crossing_vessels_add_up():
    t = np.linspace(-50, 50, 160)
    across = Tube(np.stack([60 + t, np.full(160, 60.0)], axis=1), np.full(160, 4.0), np.ones(160))
    down = Tube(np.stack([np.full(160, 60.0), 60 + t], axis=1), np.full(160, 4.0), np.ones(160))
    plane = Bundle.of([across, down]).thickness((120, 120))
    assert plane[58:63, 58:63].mean() == pytest.approx(2 * plane[58:63, 30:50].mean(), rel=0.1)


def test_no_real_vessel_is_left_in_a_background(real, backgrounds):
    for frame, background in zip(real, backgrounds, strict=True):
        before = ridge_excess(frame.image, frame.label)
        assert before > 2
        assert ridge_excess(background, frame.label) < 0.3 * before
        known = remove_vessels(frame.image, (frame.label == 1).astype(np.uint8))
        assert ridge_excess(known, frame.label) < 0.12 * before


def test_a_background_keeps_chest_border_and_grain(real, backgrounds):
    for frame, background in zip(real, backgrounds, strict=True):
        away = ndimage.distance_transform_edt(frame.label == 0) > 12
        slow, slow_kept = (
            ndimage.gaussian_filter(f.astype(np.float32), 10)[away] for f in (frame.image, background)
        )
        assert np.corrcoef(slow, slow_kept)[0, 1] > 0.97
        fine, fine_kept = (
            np.median(np.abs(f - ndimage.gaussian_filter(f, 1.5))[away])
            for f in (frame.image.astype(np.float32), background.astype(np.float32))
        )
        assert 0.4 < fine_kept / fine < 2.5


def test_the_same_frame_gives_the_same_background(real, backgrounds):
    assert np.array_equal(remove_vessels(real[0].image), backgrounds[0])
