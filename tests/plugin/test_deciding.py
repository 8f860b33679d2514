"""Deciding on a new model in the dock: whatever is chosen is recorded, with who and why."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest

from napari_lightvessel import _preferences
from napari_lightvessel._training import RunView
from src_training import load_model
from src_training.evaluation import Comparison
from src_training.models.gate import decide
from src_training.runs import RunState


@pytest.fixture
def waiting(dock, tmp_path, new_workspace):
    """A workspace whose new model waits for the decision of reader-1; its id."""
    workspace = new_workspace(dock, tmp_path / "coronary")
    staged = shutil.copytree(load_model("small").folder, tmp_path / "staged")
    card = json.loads((staged / "card.json").read_text(encoding="utf-8"))
    (staged / "card.json").write_text(json.dumps(card | {"name": "tuned"}), encoding="utf-8")
    model = workspace.models.add(staged)
    _preferences.put("annotator", "reader-1")
    dock.trainer.view = RunView(SimpleNamespace(id="a-run"), RunState(status="finished", model_id=model.id))
    dock.trainer.run_changed.emit(dock.trainer.view)
    return model.id


def won(model_id):
    """A comparison with the shipped model that this one has won, on enough patients."""
    better, none = (0.01, 0.03), 0
    return decide(Comparison(model_id, "small", 12, 12, 0.02, better, 0.02, better, none, 0.0, 0.75, 0.75))


def decisions(dock):
    records = dock.session.workspace.models.history()
    return [(r["action"], r["model"], r["by"], r["override"] or r["reason"]) for r in records]


def test_keeping_the_old_model_is_recorded(dock, waiting, qtbot):
    dock.train.keep_button.click()
    qtbot.waitUntil(lambda: not dock.trainer.waiting(), timeout=20_000)
    assert decisions(dock) == [("kept", waiting, "reader-1", "")]
    assert dock.train.line.text().startswith("Kept the old model active")


@pytest.mark.parametrize("reason", ["it misses the side branches", ""])
def test_rolling_back_asks_why_and_does_not_insist(dock, waiting, qtbot, reason):
    store = dock.session.workspace.models
    store.promote(waiting, won(waiting))
    dock.session.refresh_models()
    qtbot.waitUntil(lambda: dock.session.shelf.live_id == waiting, timeout=20_000)
    qtbot.waitUntil(dock.train.rollback_button.isEnabled, timeout=20_000)
    dock.train.rollback_button.click()
    assert store.current().id == waiting and not dock.train.ask.isHidden()
    dock.train.ask.reason.setText(reason)
    dock.train.ask.yes.click()
    qtbot.waitUntil(lambda: store.current().id == "small", timeout=20_000)
    assert decisions(dock)[1:] == [("rolled back", "small", "reader-1", reason)]


def test_a_pseudonym_that_is_an_address_is_not_recorded(dock, waiting, qtbot):
    _preferences.put("annotator", "somebody@example.org")
    dock.train.keep_button.click()
    qtbot.waitUntil(lambda: "Give a short pseudonym" in dock.train.line.text(), timeout=20_000)
    assert decisions(dock) == [] and dock.trainer.waiting()


@pytest.mark.parametrize("act", ["keep", "roll_back"])
def test_who_decides_on_what_somebody_else_has_replaced_is_told_so_and_shown_it(dock, waiting, qtbot, act):
    store = dock.session.workspace.models
    store.promote("small-syntax", won("small-syntax"), by="reader-2")
    assert dock.session.shelf.live_id == "small"
    getattr(dock.trainer, act)()
    line = "somebody else switched meanwhile: small-syntax is the active model now, not small"
    qtbot.waitUntil(lambda: line in dock.train.line.text(), timeout=20_000)
    qtbot.waitUntil(lambda: dock.session.shelf.live_id == "small-syntax", timeout=20_000)
    assert [r["action"] for r in store.history()] == ["promoted"]


def received(dock, tmp_path, waiting, monkeypatch):
    """The workspace of another user, with a model live, open in the dock of one who does not know it."""
    store = dock.session.workspace.models
    store.promote(waiting, won(waiting), by="reader-2")
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "another user"))
    dock.session.refresh_models()


def test_a_model_that_came_with_a_workspace_is_used_once_a_person_agrees(
    dock, waiting, qtbot, tmp_path, monkeypatch
):
    received(dock, tmp_path, waiting, monkeypatch)
    bar = dock.header.received
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=20_000)
    assert waiting in bar.text.text() and "small is used" in bar.text.text()
    assert dock.session.shelf.live_id == "small" and dock.session.model.id == "small"
    bar.yes.click()
    qtbot.waitUntil(lambda: dock.session.shelf.live_id == waiting, timeout=20_000)
    qtbot.waitUntil(lambda: bar.isHidden(), timeout=20_000)
    assert dock.session.workspace.models.history()[-1]["action"] == "agreed"


def test_a_model_that_came_with_a_workspace_is_declined_once(dock, waiting, qtbot, tmp_path, monkeypatch):
    received(dock, tmp_path, waiting, monkeypatch)
    bar = dock.header.received
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=20_000)
    bar.no.click()
    dock.session.models_changed.emit()
    assert bar.isHidden() and dock.session.shelf.live_id == "small"
    assert [r["action"] for r in dock.session.workspace.models.history()] == ["promoted"]
