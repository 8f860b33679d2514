"""A slow drive answers when another workspace is open, or the dock is closed: it is heard of its own workspace only."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from gates import Gate
from qtpy.QtCore import QThreadPool

import napari_lightvessel._taking_back as taking_back
from napari_lightvessel import _last_workspace, _preferences
from napari_lightvessel._dock import LightVesselWidget
from napari_lightvessel._errands import Errands
from napari_lightvessel._training import RunView
from src_training import Workspace
from src_training.dataset.outbox import Outbox
from src_training.errors import RunError
from src_training.models import ModelStore
from src_training.runs import Run, RunState, RunStore


@pytest.fixture
def gate(qtbot):
    pool, made = QThreadPool.globalInstance(), Gate()
    before = pool.maxThreadCount()
    pool.setMaxThreadCount(32)  # as on a large computer: what stands before the gate takes its threads
    yield made
    made.open()
    pool.setMaxThreadCount(before)


@pytest.fixture
def slow(tmp_path):
    """The folder of a workspace on a slow drive; a run in it has finished, with a model."""
    workspace = Workspace.create(tmp_path / "slow")
    run = workspace.path / "runs" / "20260101T000000Z-finetune-abcdef"
    run.mkdir(parents=True)
    (run / "config.json").write_text('{"kind":"finetune","settings":{}}')
    (run / "events.jsonl").write_text('{"event":"failed","message":"of the slow one"}\n')
    return workspace.path


@pytest.fixture
def other(tmp_path):
    return Workspace.create(tmp_path / "other").path


@pytest.fixture
def go(dock, qtbot):
    """Open a workspace by hand, and wait until it is open."""

    def to(folder):
        dock.header.open_workspace(folder)
        qtbot.waitUntil(
            lambda: dock.session.workspace is not None and dock.session.workspace.path == folder,
            timeout=20_000,
        )

    return to


def let_go(gate, qtbot):
    gate.open()
    qtbot.waitUntil(gate.passed.is_set, timeout=20_000)
    qtbot.wait(200)  # its answer is in the queue of the window


def test_the_workspace_that_was_chosen_last_is_the_one_that_opens(
    dock, go, slow, other, gate, qtbot, monkeypatch
):
    gate.hold(monkeypatch, Workspace, "open", slow, lambda path: path)
    dock.header.open_workspace(slow)
    qtbot.waitUntil(gate.waiting.is_set)
    go(other)
    let_go(gate, qtbot)
    assert dock.session.workspace.path == other and _preferences.get("workspace") == str(other)


def test_what_was_open_last_does_not_come_after_what_a_person_chose(
    make_napari_viewer, slow, other, gate, qtbot, monkeypatch
):
    _preferences.put("workspace", str(slow))
    gate.hold(monkeypatch, Workspace, "open", slow, lambda path: path)
    viewer = make_napari_viewer()
    dock = LightVesselWidget(viewer)
    viewer.window.add_dock_widget(dock)
    qtbot.waitUntil(gate.waiting.is_set)
    dock.header.open_workspace(other)
    qtbot.waitUntil(lambda: dock.session.workspace is not None)
    let_go(gate, qtbot)
    assert dock.session.workspace.path == other
    dock.close_session()


def test_models_of_a_former_workspace_are_not_offered(dock, go, slow, other, gate, qtbot, monkeypatch):
    gate.hold(monkeypatch, ModelStore, "list", slow, lambda store: store.folder)
    read = SimpleNamespace(id="of-the-slow-one", builtin=False)
    monkeypatch.setattr(
        ModelStore, "unjudged", lambda store: read if store.folder.is_relative_to(slow) else None
    )
    go(slow)
    qtbot.waitUntil(gate.waiting.is_set)
    go(other)
    let_go(gate, qtbot)
    assert dock.session.shelf.unjudged is None and dock.header.received.isHidden()


def test_what_is_asked_of_a_received_model_is_asked_of_its_workspace(
    dock, go, slow, other, gate, qtbot, monkeypatch
):
    """Between two workspaces nothing of the first is left to be agreed to in the second."""
    agreed = []
    read = SimpleNamespace(id="of-the-slow-one", builtin=False)
    monkeypatch.setattr(
        ModelStore, "unjudged", lambda store: read if store.folder.is_relative_to(slow) else None
    )
    monkeypatch.setattr(
        ModelStore, "agree", lambda store, model_id, by="": agreed.append((store.folder, model_id))
    )
    go(slow)
    qtbot.waitUntil(lambda: not dock.header.received.isHidden(), timeout=20_000)
    gate.hold(monkeypatch, ModelStore, "list", other, lambda store: store.folder)
    go(other)
    qtbot.waitUntil(gate.waiting.is_set)
    dock.session.choose_model(dock.session.model)  # who chooses a model meanwhile
    assert dock.header.received.isHidden() and dock.session.shelf.unjudged is None
    assert agreed == []


def test_a_run_of_a_former_workspace_is_not_shown(dock, go, slow, other, gate, qtbot, monkeypatch):
    gate.hold(monkeypatch, RunStore, "list", slow, lambda store: store.folder)
    go(slow)
    qtbot.waitUntil(gate.waiting.is_set)
    go(other)
    let_go(gate, qtbot)
    assert dock.trainer.view is None and dock.train.verdict.text() == ""


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_a_run_that_was_started_elsewhere_is_told_and_not_shown(
    dock, go, slow, other, gate, qtbot, monkeypatch, ends
):
    def launch(store, kind, settings):
        if ends == "badly":
            raise RunError("another fine-tuning runs here.")
        return Run(store.folder / "20260101T000000Z-finetune-abcdef")

    monkeypatch.setattr(RunStore, "launch", launch)
    gate.hold(monkeypatch, RunStore, "launch", slow, lambda store, *_: store.folder)
    go(slow)
    qtbot.waitUntil(lambda: dock.trainer.view is not None and dock.trainer.view.over, timeout=20_000)
    dock.trainer.start("finetune", {})
    qtbot.waitUntil(gate.waiting.is_set)
    go(other)
    let_go(gate, qtbot)
    said = {"well": "a run was started", "badly": "another fine-tuning runs here"}[ends]
    assert dock.trainer.view is None
    assert (
        dock.train.line.text().startswith("In slow, which was open then: ") and said in dock.train.line.text()
    )


def test_a_promotion_elsewhere_is_told_of_its_own_workspace(dock, go, slow, other, gate, qtbot, monkeypatch):
    monkeypatch.setattr(ModelStore, "promote", lambda store, model_id, **_: None)
    gate.hold(monkeypatch, ModelStore, "promote", slow, lambda store, *_, **__: store.folder)
    go(slow)
    qtbot.waitUntil(lambda: dock.trainer.view is not None and dock.trainer.view.over, timeout=20_000)
    dock.trainer.view = RunView(dock.trainer.view.run, RunState(status="finished", model_id="tuned"))
    dock.trainer.promote()
    qtbot.waitUntil(gate.waiting.is_set)
    go(other)
    let_go(gate, qtbot)
    assert dock.train.line.text() == (
        "In slow, which was open then: tuned is the active model now: segmenting uses it."
    )
    assert _preferences.get("decided_runs") == ["20260101T000000Z-finetune-abcdef"]


def test_a_run_is_followed_while_another_drive_hangs(dock, go, slow, other, gate, qtbot, monkeypatch):
    (other / "runs").mkdir(exist_ok=True)
    (slow / "runs" / "20260101T000000Z-finetune-abcdef").rename(
        other / "runs" / "20260102T000000Z-finetune-abcdef"
    )
    run = slow / "runs" / "20260101T000000Z-finetune-aaaaaa"
    run.mkdir()
    (run / "config.json").write_text('{"kind":"finetune","settings":{}}')
    (run / "events.jsonl").write_text('{"event":"started","steps":4}\n')
    gate.hold(monkeypatch, Run, "status", slow, lambda run: run.folder)
    go(slow)
    qtbot.waitUntil(gate.waiting.is_set)
    go(other)
    qtbot.waitUntil(lambda: "of the slow one" in dock.train.verdict.text(), timeout=10_000)


def test_neither_the_log_nor_the_figures_of_a_former_workspace_stay(
    dock, go, slow, other, qtbot, monkeypatch
):
    (slow / "runs" / "20260101T000000Z-finetune-abcdef" / "log.txt").write_text("of the slow one\n")
    go(slow)
    dock.train.log_button.click()
    qtbot.waitUntil(lambda: "of the slow one" in dock.train.log.toPlainText(), timeout=20_000)
    qtbot.waitUntil(lambda: dock.train.words.text().startswith("No accepted frames"), timeout=20_000)
    monkeypatch.setattr("napari_lightvessel._training.count_frames", _cannot)
    go(other)
    qtbot.waitUntil(lambda: "cannot be listed" in dock.train.line.text(), timeout=20_000)
    assert dock.train.log.toPlainText() == "" and dock.train.log.isHidden()
    assert dock.train.words.text() == "" and not dock.train.start_button.isEnabled()


def _cannot(workspace, live):
    raise RunError("cases: cannot be listed.")


def test_a_withdrawal_elsewhere_marks_no_frame_here(dock, work, saved, go, other, gate, qtbot, monkeypatch):
    assert saved(dock).startswith("Saved")
    here = dock.session.workspace.path
    gate.hold(monkeypatch, taking_back, "_withdrawn", here, lambda dataset, *_: dataset.folder)
    dock.correct.take_back.withdraw()
    qtbot.waitUntil(gate.waiting.is_set)
    go(other)
    gate.open()
    qtbot.waitUntil(lambda: not dock.correct.take_back.busy, timeout=20_000)
    mark = dock.session.state.marks[2]
    assert mark.head is None and mark.saved == "in another workspace" and not mark.saving
    assert dock.correct.line.text() == "In hospital, which was open then: frame 2 was withdrawn."


def test_what_waits_is_handed_over_to_the_workspace_that_is_open_now(
    dock, go, slow, other, gate, qtbot, monkeypatch
):
    asked = []
    publish = Outbox.publish

    def publishing(box, **how):
        asked.append(box.dataset.folder)
        return publish(box, **how)

    monkeypatch.setattr(Outbox, "publish", publishing)
    gate.hold(monkeypatch, Outbox, "publish", slow, lambda box, **_: box.dataset.folder)
    go(slow)
    qtbot.waitUntil(gate.waiting.is_set)
    go(other)
    let_go(gate, qtbot)
    qtbot.waitUntil(lambda: not dock.postman.busy, timeout=20_000)
    assert [folder.parent for folder in asked] == [slow, other]


def test_an_errand_is_not_heard_once_the_part_is_closed(gate, qtbot):
    heard, errands = [], Errands()
    for number in range(30):  # as many as there are

        def act(number=number):
            gate.waiting.set()
            assert gate._open.wait(60)
            return number

        errands.start(act, done=heard.append, failed=heard.append)
    qtbot.waitUntil(gate.waiting.is_set)
    errands.close()
    gate.open()
    assert errands.start(lambda: 1, done=heard.append, failed=heard.append) is None
    qtbot.wait(500)
    assert heard == []


def test_an_errand_that_is_over_is_let_go(qtbot):
    heard, errands = [], Errands()
    errands.drop(errands.start(lambda: 0, done=heard.append, failed=heard.append))
    errands.start(lambda: 1, done=heard.append, failed=heard.append)
    qtbot.waitUntil(lambda: heard == [1])
    assert errands._jobs == set()


@pytest.mark.parametrize("what", ["agree", "withdraw", "count"])
def test_a_closed_dock_hears_nothing(dock, work, saved, qtbot, monkeypatch, gate, what):
    """Whatever was under way, however much of it."""
    assert saved(dock).startswith("Saved")
    session, here = dock.session, dock.session.workspace.path
    qtbot.waitUntil(lambda: bool(session.shelf.builtin), timeout=20_000)
    if what == "agree":
        gate.hold(monkeypatch, ModelStore, "agree", here, lambda store, *_, **__: store.folder)
        session._take_models(
            type(session.shelf)(session.shelf.builtin, unjudged=SimpleNamespace(id="small", builtin=True))
        )
        dock.header.received.yes.click()
    elif what == "withdraw":
        gate.hold(monkeypatch, taking_back, "_withdrawn", here, lambda dataset, *_: dataset.folder)
        dock.correct.take_back.withdraw()
    else:
        gate.hold(monkeypatch, type(session.workspace.dataset), "heads", here, lambda data, **_: data.folder)
        for _ in range(20):
            dock.trainer._count()
    qtbot.waitUntil(gate.waiting.is_set)
    dock.close_session()
    heard = []
    for signal in (
        session.problem,
        session.models_changed,
        session.dataset_grew,
        dock.correct.take_back.told,
    ):
        signal.connect(lambda *_: heard.append(what), unique=False)
    dock.trainer.figures_changed.connect(lambda *_: heard.append(what))
    let_go(gate, qtbot)
    qtbot.wait(300)
    assert heard == []


def test_what_was_opened_by_hand_is_on_trial_as_well(dock, go, slow, qtbot, monkeypatch):
    go(slow)
    assert _preferences.get("workspace_trial")["workspace"] == str(slow)
    dock.last_workspace._through.stop()
    dock.last_workspace._come_through()
    assert _preferences.get("workspace_trial") is None
    assert _last_workspace._did_not_come_through(str(slow)) is False


def test_a_workspace_that_cannot_be_opened_is_named(dock, go, slow, other, qtbot):
    go(other)
    (slow / "dataset" / "dataset.json").write_text("{")
    dock.header.open_workspace(slow)
    qtbot.waitUntil(lambda: "dataset.json" in dock.header.line.text(), timeout=20_000)
    assert dock.header.line.text().startswith("slow: ") and dock.session.workspace.path == other
