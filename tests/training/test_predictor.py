"""Promises of the Predictor: any source, both runtimes alike, no torch for shipped models, stops when asked."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dask.array
import numpy as np
import pytest
import tifffile
from model_folders import TINY, rehash

from src_training import Predictor, Workspace, array_cine, builtin_models, load_model, synthetic_cine
from src_training.errors import LightVesselError, ModelError, UnreadableCine
from src_training.inference import runtimes
from src_training.inference.golden import departure
from src_training.inference.runtimes import ir_of, open_runtime
from src_training.networks import build_network
from src_training.processes import clean_environment
from src_training.training.publish import stage_model

REPOSITORY = Path(__file__).resolve().parents[2]


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


FRAME = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)


def test_the_network_in_a_folder_from_elsewhere_is_never_run(swapped, predictor, caplog):
    answer = Predictor.load(swapped, runtime="openvino").probability(FRAME)
    assert np.abs(answer - predictor.probability(FRAME)).max() < 2e-3
    assert "is built from its weights on this computer, once" in caplog.text


def test_a_network_that_loops_for_ever_harms_nobody(swapped):
    """In a process of its own: whoever runs it never comes back."""
    code = (
        "import sys; from model_folders import put_endless_network; from pathlib import Path\n"
        "from src_training import Predictor\n"
        "put_endless_network(Path(sys.argv[1])); print(Predictor.load(sys.argv[1]).runtime)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(swapped)],
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(Path(__file__).parent)))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "openvino", done.stderr


def test_weights_in_another_architecture_have_another_network(swapped):
    model = load_model(swapped)
    wider = model.card.architecture.model_copy(update={"blocks": 1})
    other = dataclasses.replace(model, card=model.card.model_copy(update={"architecture": wider}))
    built = ir_of(model)
    assert ir_of(model) == built
    with pytest.raises(ModelError, match="does not fit its card's architecture"):
        ir_of(other)


def test_a_network_of_which_a_part_is_lost_is_built_again(swapped):
    built = ir_of(load_model(swapped))
    built.with_suffix(".bin").unlink()
    assert Predictor.load(swapped).runtime == "openvino"


def test_a_cache_that_cannot_be_written_is_said_in_a_line(swapped, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIGHTVESSEL_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="OpenVINO network cannot be kept in") as caught:
        Predictor.load(swapped)
    assert "\n" not in str(caught.value)


def test_a_model_made_here_segments_without_torch_and_copied_elsewhere_too(tmp_path, monkeypatch):
    staged = tmp_path / "staged"
    stage_model(build_network(TINY), staged, name="made-here", input_size=64)
    store = Workspace.create(tmp_path / "workspace").models
    model = store.add(staged)
    code = (
        "import numpy as np, sys; from src_training import Predictor, Workspace\n"
        "predictor = Predictor.load(sys.argv[2], workspace=Workspace.open(sys.argv[1]))\n"
        "predictor.probability(np.zeros((64, 64), np.uint8))\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(store.folder.parent), model.id]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    here = Predictor.load(model).probability(FRAME)
    monkeypatch.setenv("LIGHTVESSEL_CACHE_DIR", str(tmp_path / "cache of another computer"))
    assert np.abs(Predictor.load(model).probability(FRAME) - here).max() < 2e-3


def test_a_computer_without_torch_says_that_it_cannot_build_a_network(swapped, monkeypatch):
    monkeypatch.setitem(sys.modules, "src_training.training.weights", None)
    with pytest.raises(ModelError, match=r"not made on this computer.* Run: pip install torch$"):
        Predictor.load(swapped)


@pytest.fixture
def another_network_is_run(monkeypatch):
    """OpenVINO as it must not be: whatever is asked for, it runs ``small-syntax``."""
    monkeypatch.setattr(runtimes, "ir_of", lambda model: load_model("small-syntax").folder / "openvino.xml")


@pytest.mark.usefixtures("another_network_is_run")
def test_a_runtime_that_computes_something_else_is_refused_in_a_line():
    with pytest.raises(ModelError, match=r"openvino computes something else .* use the runtime torch\.$"):
        Predictor.load("small")
    assert Predictor.load("small", runtime="torch").runtime == "torch"


@pytest.mark.usefixtures("another_network_is_run")
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


OLD_PROCESSOR = {"ONEDNN_MAX_CPU_ISA": "SSE41"}  # OpenVINO 2026.4 has no way to enlarge an image there


def _segment_on_an_old_processor(tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    tifffile.imwrite(tmp_path / "frame.tif", FRAME, photometric="minisblack")
    command = [sys.executable, "-m", "src_training", "segment", "frame.tif", "-o", "masks", *more]
    environment = {**clean_environment(threads=1), **OLD_PROCESSOR}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


def test_where_openvino_cannot_serve_the_processor_torch_segments_and_one_line_says_so(tmp_path, predictor):
    done = _segment_on_an_old_processor(tmp_path, "--probability")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "OpenVINO" in line]
    if not told:
        pytest.skip("this OpenVINO serves an SSE4.1 processor")
    assert len(told) == 1 and "goes on with torch" in told[0] and "Traceback" not in done.stderr
    probability = tifffile.imread(tmp_path / "masks" / "frame_prob.tif")
    assert np.abs(probability.squeeze() - predictor.probability(FRAME)).max() < 2e-3


def test_openvino_asked_for_by_name_on_a_processor_it_cannot_serve_is_a_line_with_the_cure(tmp_path):
    done = _segment_on_an_old_processor(tmp_path, "--runtime", "openvino")
    if done.returncode == 0:
        pytest.skip("this OpenVINO serves an SSE4.1 processor")
    assert done.returncode == 2 and "Use the runtime torch." in done.stderr and "Traceback" not in done.stderr


class _Refusing:
    """OpenVINO on a computer that it cannot serve."""

    class Core:
        def compile_model(self, *_arguments):
            raise RuntimeError("Exception from src/x.cpp:1:\nbad combination")


def test_auto_takes_torch_where_openvino_cannot_and_keeps_the_reason(monkeypatch, caplog):
    monkeypatch.setattr(runtimes, "import_openvino", lambda: _Refusing)
    loaded = Predictor.load("small")
    assert (
        loaded.runtime == "torch" and "bad combination" in loaded.remark and caplog.text.count("torch") == 1
    )
    with pytest.raises(
        ModelError, match=r"cannot run the network .*bad combination\)\. Use the runtime torch\.$"
    ):
        Predictor.load("small", runtime="openvino")


def test_auto_takes_torch_where_openvino_does_not_load(monkeypatch):
    def missing():
        raise ImportError("libtbb.so.12: cannot open shared object file")

    monkeypatch.setattr(runtimes, "import_openvino", missing)
    assert Predictor.load("small").runtime == "torch"


def test_the_usual_runtime_has_nothing_to_remark(predictor):
    assert predictor.runtime == "openvino" and predictor.remark == ""
