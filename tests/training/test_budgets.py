"""Promises about work that has an end: cards, settings and events from elsewhere take what ours take, or a line."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_folders import TINY, rehash, stage_tiny, told

from src_training import Workspace
from src_training.cli import main
from src_training.cli.describing import description
from src_training.errors import LightVesselError, ModelError, RunError
from src_training.inference import predictor
from src_training.models import Model, bounds
from src_training.models.card import ModelCard
from src_training.models.decisions import seq_of
from src_training.models.loading import CARD_FILE, WEIGHTS_FILE, open_model
from src_training.networks import NETWORKS, Architecture
from src_training.runs import Run, selftest
from src_training.runs import events as events_module
from src_training.runs.reading import parse_record
from src_training.runs.state import RunState
from src_training.training.settings import FinetuneSettings, TrainSettings, largest_batch

HUGE = {"family": "sk-unet", "base_channels": 64, "depth": 5, "blocks": 4, "stem_factor": 1}


def with_card(folder, **changes):
    """A tiny model's folder whose card says something else; hashes agree."""
    stage_tiny(folder)
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    (folder / CARD_FILE).write_text(json.dumps(card | changes), encoding="utf-8")
    return folder


# -- models --------------------------------------------------------------------------------------------------

ABSURD = {
    "an enormous network": ({"architecture": HUGE}, "would take about .* GiB of memory and .* GFLOP"),
    "a large one on large frames": (
        {"architecture": {"base_channels": 64, "stem_factor": 1}, "input_size": 2048},
        "would take about",
    ),
    "slow, not large": (
        {
            "architecture": {"family": "res-unet", "base_channels": 48, "blocks": 4, "stem_factor": 1},
            "input_size": 512,
        },
        "GFLOP a frame",
    ),
    "a stem that divides no frame": ({"architecture": {"stem_factor": 3}}, "stem_factor: .*Give 1, 2 or 4"),
    "clip without end": ({"normalisation": {"clip": math.inf}}, "clip: "),
    "clip is no number": ({"normalisation": {"clip": math.nan}}, "clip: "),
    "percentile below none": ({"normalisation": {"low_percentile": -1}}, "low_percentile: "),
    "percentile is no number": ({"normalisation": {"high_percentile": math.nan}}, "high_percentile: "),
    "threshold is no number": ({"threshold": math.nan}, "threshold: "),
    "threshold beyond one": ({"threshold": 1e9}, "threshold: "),
    "components beyond a frame": ({"min_component_px": 10**9}, "min_component_px: "),
    "components below none": ({"min_component_px": -1}, "min_component_px: "),
    "frames without end": ({"input_size": 10**9}, "input_size: "),
    "parameters without end": ({"parameters": 10**400}, "parameters: "),
    "work without end": ({"gflop_512": math.inf}, "gflop_512: "),
    "a golden answer that is no number": ({"golden": [math.nan] * 64}, r"golden\.0: "),
    "golden answers without end": ({"golden": [0.5] * 5000}, "golden: "),
    "a text without end": ({"trained_on": "x" * 100_000}, "trained_on: "),
    "files without end": ({"files": {f"f{i}": "0" * 64 for i in range(99)}}, "files: "),
}


@pytest.mark.parametrize("name", ABSURD)
def test_an_absurd_card_is_a_line_before_anything_is_built(name, tmp_path, capsys):
    changes, expected = ABSURD[name]
    folder = with_card(tmp_path / "odd", **changes)
    with pytest.raises(ModelError, match=expected) as refused:
        open_model(folder)
    assert "\n" not in str(refused.value) and str(refused.value).startswith("odd")
    workspace = Workspace.create(tmp_path / "place")
    folder.rename(workspace.models.folder / "odd-0123456789")
    (workspace.models.folder / "current.json").write_text('{"model": "odd-0123456789", "previous": null}')
    assert workspace.models.current() is None and "odd-0123456789 is damaged" in workspace.models.warning()
    weights = workspace.models.folder / "odd-0123456789"
    assert (
        main(["models", "import", str(workspace.path), str(weights / WEIGHTS_FILE), "--like", str(weights)])
        == 2
    )
    assert main(["models", "list", str(workspace.path)]) == 0
    assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())


def test_who_knows_a_large_model_may_allow_it_and_the_line_says_how(tmp_path, monkeypatch):
    spec = Architecture(family="res-unet", base_channels=128)
    with pytest.raises(ModelError, match=r"set LIGHTVESSEL_LIMITS=(\d+)\.") as refused:
        bounds.check_network(spec, 512, "mine")
    monkeypatch.setenv(bounds.LIMITS, str(refused.value).rpartition("=")[2].rstrip("."))
    bounds.check_network(spec, 512, "mine")
    for wrong in ("0", "-1", "nan", "many", "1e9"):
        monkeypatch.setenv(bounds.LIMITS, wrong)
        with pytest.raises(LightVesselError, match="give a number from 1 to 1000"):
            bounds.check_network(TINY, 512, "mine")


def test_files_that_are_larger_than_their_network_can_be_are_not_read(tmp_path, monkeypatch):
    folder = stage_tiny(tmp_path / "large")
    with (folder / WEIGHTS_FILE).open("ab") as file:
        file.truncate(64 << 20)
    monkeypatch.setattr("src_training.models.loading._content", pytest.fail)
    with pytest.raises(
        ModelError, match=r"large/weights.safetensors: 64 MiB, its card's architecture has less"
    ):
        open_model(folder)


def test_a_weight_whose_shape_has_no_end_is_refused_at_once(tmp_path):
    folder = stage_tiny(tmp_path / "odd")
    from model_folders import read_weights, write_weights

    header, data = read_weights(folder)
    header[next(iter(header))]["shape"] = [10**4000] * 200
    write_weights(folder, json.dumps(header), data)
    rehash(folder)
    with pytest.raises(ModelError, match="its header is damaged"):
        open_model(folder)


@given(
    streams=st.integers(1, 64),
    size=st.sampled_from((64, 512, 1024, 1400)),
    name=st.sampled_from(sorted(NETWORKS)),
)
def test_frames_at_a_time_stay_within_the_memory_that_is_allowed(streams, size, name):
    card = ModelCard(name="a", created_utc="", architecture=NETWORKS[name], input_size=size)
    count = bounds.frames_at_a_time(card, streams)
    assert 1 <= count <= streams
    from src_training.networks.reckoning import reckoned

    cost = reckoned(card.architecture, size)
    assert count == 1 or cost.weight_bytes + count * cost.frame_bytes <= bounds.MODEL_BYTES


def test_the_predictor_asks_for_no_more_frames_than_fit(monkeypatch, tmp_path):
    model = open_model(stage_tiny(tmp_path / "tiny"))
    asked = []
    monkeypatch.setattr(predictor, "open_runtime", lambda *given: asked.append(given[-1]))
    wide = Architecture(family="sk-unet", stem_factor=1, base_channels=32, blocks=1)
    card = model.card.model_copy(update={"architecture": wide, "input_size": 512})
    assert predictor.Predictor.load(Model("a", model.folder, card)).streams == 1
    assert predictor.Predictor.load(model).streams == 2 and asked == [1, 2]


def test_what_a_card_says_is_told_in_few_words_whatever_its_names_and_numbers(tmp_path):
    metrics = {
        "x" * 100_000: {"y" * 100_000: {"dice": 0.5}},
        "n": {f"row {i}": {"dice": 10**400} for i in range(500)},
    }
    model = open_model(with_card(tmp_path / "odd", metrics=metrics))
    assert sum(map(len, description(model))) < 400_000


# -- settings ------------------------------------------------------------------------------------------------

REFUSED = {
    "crop_sizes": ([32 * 10**6], [256] * 9),
    "batch_pixels": (10**9, -1),
    "loaders": (10**6,),
    "threads": (10**6, 0),
    "devices": (10**6,),
    "steps": (10**9,),
    "learning_rate": (math.nan, math.inf),
    "gradient_clip": (math.inf, 1e300),
    "checkpoint_minutes": (1e9, math.nan),
    "validate_every": (10**12,),
    "patience": (10**12,),
    "seed": (10**30, -1),
    "average_steps": ([0.5] * 1000,),
    "anchor_weight": (math.nan,),
    "augmentation": ({"scale": [1e-9, 1e9]}, {"noise": math.nan}),
    "base_model": ("x" * 10**6,),
    "method": ("x" * 10**6,),
}


@pytest.mark.parametrize("field", REFUSED)
def test_a_setting_without_an_end_is_refused_in_a_run_and_in_the_shell(field, tmp_path, capsys):
    workspace = Workspace.create(tmp_path / "place")
    for number, value in enumerate(REFUSED[field]):
        with pytest.raises(ValueError, match=field):
            FinetuneSettings(**{field: value})
        folder = workspace.path / "runs" / f"2026010{number + 1}T000000Z-finetune-abcdef"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"kind": "finetune", "settings": {field: value}}))
        with pytest.raises(RunError) as refused:
            workspace.runs.get(folder.name).resume()
        assert "\n" not in str(refused.value) and not (folder / "process.json").exists()
        assert main(["runs", "resume", str(workspace.path), folder.name]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("threads", [10**9, -1, "many", [1], 1.5, True])
def test_threads_of_a_run_are_a_number_or_a_line(threads, tmp_path):
    run = Run(tmp_path / "20260101T000000Z-selftest-abcdef")
    run.folder.mkdir()
    (run.folder / "config.json").write_text(
        json.dumps({"kind": "selftest", "settings": {}, "threads": threads})
    )
    with pytest.raises(RunError, match="threads is no number from 1 to 256"):
        run.resume()


@pytest.mark.parametrize(
    "settings_", [{"steps": 10**12}, {"seconds": 1e300}, {"steps": "many"}, {"steps": True}]
)
def test_a_counting_run_counts_to_a_number(settings_):
    with pytest.raises(RunError, match="expected a number from 0 to"):
        selftest.count(settings_, None)


def test_a_run_that_would_take_the_memory_is_a_line_with_the_figures(monkeypatch):
    for loaders, pixels, on_cpu in ((64, 2 * 512**2, False), (0, 64 * 512**2, True)):
        with pytest.raises(RunError, match=r"run: would take about [\d.]+ GiB of memory \(allowed: "):
            bounds.check_training(
                "run", pixels, NETWORKS["small"], [NETWORKS["small"]], loaders=loaders, on_cpu=on_cpu
            )


@pytest.mark.parametrize("name", NETWORKS)
def test_the_default_run_of_every_network_with_the_largest_teacher_is_allowed(name, monkeypatch):
    from collections import namedtuple

    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: namedtuple("M", "total")(16 << 30))
    student = NETWORKS[name]
    pixels = largest_batch(FinetuneSettings())
    bounds.check_training("run", pixels, student, [student, NETWORKS["res-unet"]], loaders=0, on_cpu=True)


def test_a_network_to_be_trained_is_reckoned_before_it_is_built(tmp_path, monkeypatch):
    from src_training.training import train_student as module

    monkeypatch.setattr(module, "build_network", pytest.fail)
    with pytest.raises(ModelError, match="the network to be trained: would take about"):
        module.train_student(TrainSettings(architecture=HUGE, device="cpu"), tmp_path, tmp_path / "out", None)


# -- events --------------------------------------------------------------------------------------------------


def run_of(tmp_path, content):
    folder = tmp_path / "20260101T000000Z-finetune-abcdef"
    folder.mkdir()
    (folder / "config.json").write_text('{"kind": "finetune", "settings": {}}')
    (folder / "events.jsonl").write_bytes(content)
    return Run(folder)


def progress(step, loss=0.5):
    return {"event": "progress", "step": step, "steps": 10**6, "loss": loss}


@given(st.lists(st.integers(0, 40), max_size=60))
def test_a_run_that_goes_back_tells_the_points_that_it_kept(steps):
    state, expected = RunState().fold(map(progress, steps)), []
    for step in steps:
        expected = [one for one in expected if one < step] + [step]
    assert [step for step, _ in state.losses] == expected


class Counted(list):
    """A list that counts what is moved in it."""

    moved = 0

    def pop(self, *given):
        Counted.moved += 1
        return super().pop(*given)

    def __iter__(self):
        for one in super().__iter__():
            Counted.moved += 1
            yield one


def test_a_run_that_goes_back_for_ever_takes_a_step_for_each(monkeypatch):
    state = RunState()
    state.losses = Counted()
    Counted.moved = 0
    count = 2000
    state.fold(progress(step) for step in range(count))
    state.fold(progress(count - 1 - number % 2) for number in range(count))
    assert Counted.moved <= 4 * count and state.losses.__class__ is Counted


def test_a_curve_keeps_its_shape_and_not_every_point():
    state = RunState().fold(progress(step) for step in range(100_000))
    steps = [step for step, _ in state.losses]
    assert len(steps) <= 20_001 and steps == sorted(steps) and steps[-1] == 99_999 and steps[0] < 100


def lines(count, begin=0):
    return b"".join(json.dumps(progress(begin + number)).encode() + b"\n" for number in range(count))


def test_of_a_long_file_the_beginning_and_the_end_are_read(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        events_module, "parse_record", lambda line: read.append(len(line)) or parse_record(line)
    )
    content = lines(150_000) + b'{"event":"validated","step":149999,"metrics":{"dice":0.5}}\n'
    run = run_of(tmp_path, content)
    state = run._fold()
    assert len(content) > 9 << 20 and sum(read) < 7 << 20
    assert state.step == 149_999 and state.metrics == {"dice": 0.5} and state.losses[0][0] < 10
    with (run.folder / "events.jsonl").open("ab") as file:
        file.write(b'{"event":"finished","model_id":"m-1"}\n')
    read.clear()
    assert run._fold().status == "finished" and sum(read) < 100


def test_everything_is_told_to_who_follows_some_at_a_time(tmp_path):
    content = lines(40_000) + b"x" * (3 << 20) + b"\n" + b"\n" * 1000 + lines(5, begin=40_000)
    run, at, told_steps = run_of(tmp_path, content), 0, []
    while True:
        found, to = run.events(at)
        told_steps += [event["step"] for event in found]
        if to == at:
            break
        assert to - at <= 1 << 20
        at = to
    assert told_steps == list(range(40_005)) and at == len(content)


def test_a_line_that_is_being_written_waits_however_often_one_looks(tmp_path):
    run = run_of(tmp_path, lines(2) + b'{"event":"fin')
    assert run.events(0)[0] and run.events(run.events(0)[1]) == ([], len(lines(2)))


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 5_000_000,
        b"\n" * 5_000_000,
        b'{"event":"' + b"x" * (5 << 20) + b'"}\n',
        b'{"event":1' + b"0" * 9000 + b"}\n",
    ],
)
def test_what_is_no_event_is_passed_over(content, tmp_path):
    run = run_of(tmp_path, content + b'\n{"event":"finished"}\n')
    assert run.status().status == run.glance().status == "finished" and run.damage() == ""


def test_a_list_reads_the_end_of_an_ended_run_and_no_more(tmp_path, monkeypatch):
    read = []
    run = run_of(tmp_path, lines(50_000) + b'{"event":"finished","model_id":"m-1"}\n')
    monkeypatch.setattr(
        events_module, "parse_record", lambda line: read.append(len(line)) or parse_record(line)
    )
    state = run.glance()
    assert (state.status, state.step, state.model_id) == ("finished", 49_999, "m-1") and sum(read) <= 16 << 10


# -- the store -----------------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5)
@given(seq=st.sampled_from([10**4000, 2**53, -1, "1", None, 1.5]))
def test_a_number_of_a_switch_that_cannot_be_counted_on_is_none(seq):
    assert seq_of({"seq": seq}) == 0


def test_a_damaged_model_that_is_named_without_end_is_looked_at_once(store, tmp_path, monkeypatch):
    model = store.add(stage_tiny(tmp_path / "staged"))
    store.keep_comparison(told(model.id))
    (model.folder / WEIGHTS_FILE).write_bytes(b"")
    state = {"model": "small", "previous": model.id, "earlier": [model.id] * 10_000}
    (store.folder / "current.json").write_text(json.dumps(state))
    monkeypatch.setattr(type(store._log), "vouched", lambda log, state: True)
    looked = []
    monkeypatch.setattr(store, "_find", lambda model_id: looked.append(model_id))
    assert store.previous() is None and looked == [model.id]
