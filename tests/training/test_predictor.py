"""Promises of the Predictor: any source, both runtimes alike, no torch for shipped models, stops when asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import dask.array
import numpy as np
import pytest
from model_folders import rehash

from src_training import Predictor, array_cine, builtin_models, synthetic_cine
from src_training.errors import LightVesselError, ModelError, UnreadableCine
from src_training.inference.golden import departure
from src_training.inference.runtimes import open_runtime


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load("small")


@pytest.fixture(scope="module")
def made():
    """A synthetic cine with its exact masks."""
    return synthetic_cine(3, n_frames=6, shape=(256, 256))


@pytest.mark.parametrize("model", [model.id for model in builtin_models()])
@pytest.mark.parametrize("shape", [(512, 512), (300, 431)])
def test_torch_and_openvino_agree_within_two_thousandths(model, shape):
    frame = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    maps = [Predictor.load(model, runtime=runtime).probability(frame) for runtime in ("torch", "openvino")]
    assert np.abs(maps[0] - maps[1]).max() < 2e-3


@pytest.mark.parametrize("model", builtin_models(), ids=lambda model: model.id)
@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_shipped_models_answer_the_golden_frame_as_when_they_were_made(model, runtime):
    opened = open_runtime(model, runtime, "auto", "float32", 1)
    assert departure(opened.run, model.card.golden) < 2e-3


@pytest.fixture
def swapped(tmp_path):
    """``small`` with the OpenVINO network of ``small-syntax``, and hashes that agree."""
    small, other = (next(m for m in builtin_models() if m.id == name) for name in ("small", "small-syntax"))
    folder = shutil.copytree(small.folder, tmp_path / "swapped")
    for name in ("openvino.xml", "openvino.bin"):
        shutil.copyfile(other.folder / name, folder / name)
    rehash(folder)
    return folder


def test_a_runtime_that_computes_something_else_is_refused_in_a_line(swapped):
    with pytest.raises(ModelError, match=r"openvino computes something else .* use the runtime torch\.$"):
        Predictor.load(swapped)
    assert Predictor.load(swapped, runtime="torch").runtime == "torch"


def test_a_card_of_an_older_version_has_no_golden_answer_and_loads(swapped):
    card = json.loads((swapped / "card.json").read_text())
    del card["golden"]
    (swapped / "card.json").write_text(json.dumps(card))
    assert Predictor.load(swapped).card.golden == []


def test_bf16_on_request_stays_close(predictor, made):
    frame = made.cine.frame(4)
    quick = Predictor.load("small", precision="bf16").probability(frame)
    assert np.abs(quick - predictor.probability(frame)).mean() < 5e-3


def test_it_finds_a_drawn_tree(predictor, made):
    t = int(np.argmax(made.masks.sum(axis=(1, 2))))
    mask = predictor.mask(predictor.probability(made.cine.frame(t)))
    truth = made.masks[t] == 1
    assert np.mean(mask[truth]) > 0.4
    assert np.mean(mask[truth]) > 5 * np.mean(mask[~truth])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda a: a,
        lambda a: array_cine(a),
        lambda a: dask.array.from_array(a, chunks=(1, *a.shape[1:])),
        lambda a: a.astype(np.float64),
        lambda a: a.astype(np.uint16) * 64,
    ],
    ids=["numpy", "cine", "dask", "float", "16-bit"],
)
def test_every_kind_of_cine_gives_the_same_probabilities(predictor, made, wrap):
    stack = made.cine.stack().compute()
    expected = dict(predictor.segment(stack, [1, 4]))
    found = dict(predictor.segment(wrap(stack), [1, 4]))
    assert list(found) == [1, 4]
    assert all(np.abs(found[t] - expected[t]).max() < 2e-3 for t in found)


def test_a_single_frame_and_its_grey_rgb_twin_agree(predictor, made):
    frame = made.cine.frame(4)
    ((t, alone),) = predictor.segment(frame)
    assert t == 0
    assert np.allclose(alone, predictor.probability(np.stack([frame] * 3, axis=-1)), atol=1e-3)


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_frames_and_stacks_give_what_their_grey_gives(predictor, made, channels):
    stack = np.stack([made.cine.frame(t) for t in (2, 4)]).astype(np.uint8)
    colour = np.stack([stack] * channels, axis=-1)
    expected = dict(predictor.segment(stack))
    assert list(expected) == [0, 1]
    for source in (colour, dask.array.from_array(colour, chunks=(1, *colour.shape[1:]))):
        found = dict(predictor.segment(source))
        assert list(found) == [0, 1]
        assert all(np.array_equal(found[t], expected[t]) for t in found)
    ((t, alone),) = predictor.segment(colour[1])
    assert t == 0 and np.array_equal(alone, expected[1])


@pytest.mark.parametrize(
    "source",
    [
        np.zeros(64),
        np.zeros((2, 5, 64, 64)),
        np.zeros((1, 2, 64, 64, 3)),
        np.zeros((0, 64, 64)),
        [[1]],
        "a.png",
    ]
    + [np.zeros((64, 64), complex)],
    ids=["1-D", "4-D grey", "5-D colour", "no frames", "list", "text", "complex"],
)
def test_what_is_no_cine_is_said_in_a_line(predictor, source):
    with pytest.raises(LightVesselError, match=r"is not a |are not grey") as caught:
        next(predictor.segment(source))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(64,), (5, 64, 64), (2, 64, 64, 3)])
def test_what_is_no_single_frame_is_said_in_a_line(predictor, shape):
    with pytest.raises(LightVesselError, match=r"is not a frame \(Y, X\)"):
        predictor.probability(np.zeros(shape))


def test_frames_come_in_the_order_asked_and_only_those_are_read(predictor):
    class Counting:
        shape, read = (100, 64, 64), []

        def frame(self, t):
            self.read.append(t)
            return np.full((64, 64), t, np.uint8)

    source = Counting()
    assert [t for t, _ in predictor.segment(source, [57, 3, 99])] == [57, 3, 99]
    assert sorted(source.read) == [3, 57, 99]


def test_segmenting_stops_when_asked(predictor, made):
    seen = []
    for t, _ in predictor.segment(made.cine, cancelled=lambda: len(seen) >= 2):
        seen.append(t)
    assert seen == [0, 1]


def test_an_unreadable_frame_is_said_and_ends_the_work(predictor):
    class Broken:
        shape = (3, 64, 64)

        def frame(self, t):
            if t == 1:
                raise UnreadableCine("run.dcm: frame 1 of 3 is damaged. Export it again.")
            return np.zeros((64, 64), np.uint8)

    frames = predictor.segment(Broken())
    assert next(frames)[0] == 0
    with pytest.raises(UnreadableCine, match="frame 1 of 3"):
        next(frames)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0, 1e38])
def test_odd_frames_never_give_non_finite_probabilities(predictor, value):
    frame = np.full((80, 80), value, np.float32)
    frame[::3] = 1
    probability = predictor.probability(frame)
    assert np.isfinite(probability).all() and probability.min() >= 0 and probability.max() <= 1


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_values_beyond_float32_count_as_the_largest_not_as_missing(predictor, value):
    frame = np.full((80, 80), 1.0)
    frame[::3] = value
    clipped = predictor.probability(np.clip(frame, -1e30, 1e30))
    np.testing.assert_array_equal(predictor.probability(frame), clipped)


def test_inverting_serves_bright_vessels(predictor, made):
    frame = made.cine.frame(4).astype(np.float32)
    assert np.allclose(
        predictor.probability(255 - frame, invert=True), predictor.probability(frame), atol=1e-3
    )


def test_shipped_models_segment_without_importing_torch():
    code = (
        "import numpy as np, sys; from src_training import Predictor; "
        "Predictor.load('small').probability(np.zeros((64, 64), np.uint8)); "
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"runtime": "openvino", "device": "cuda"}, "works on the CPU"),
        ({"model": "no-such-model"}, "no-such-model"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_line(arguments, message):
    with pytest.raises(ModelError, match=message) as caught:
        Predictor.load(**({"model": "small"} | arguments))
    assert "\n" not in str(caught.value)


def test_the_first_frames_may_come_from_two_threads_at_once():
    """Regression: OpenVINO's first use from two threads waited for itself forever."""
    code = (
        "import numpy as np; from concurrent.futures import ThreadPoolExecutor\n"
        "from src_training import Predictor\n"
        "def go(name): return Predictor.load(name).probability(np.zeros((128, 128), np.float32)).shape\n"
        "with ThreadPoolExecutor(4) as pool: print(*pool.map(go, ['small', 'small-syntax'] * 2))"
    )
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert done.stdout.count("(128, 128)") == 4, done.stderr


def test_openvino_reports_nothing_over_the_network(tmp_path):
    code = (
        "import sys; from pathlib import Path; from src_training import Predictor\n"
        "from src_training.inference.export import write_ir\n"
        "from src_training.training.weights import load_network\n"
        "model = Predictor.load('small').model\n"
        "write_ir(load_network(model.folder, model.card.architecture), Path(sys.argv[1]))\n"
        "loaded = [m for m in sys.modules if m.startswith('openvino_telemetry') and sys.modules[m]]\n"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "openvino.xml").is_file()
