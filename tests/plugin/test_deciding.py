"""Deciding on a new model in the dock: whatever is chosen is recorded, with who and why."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
from model_folders import told

from napari_lightvessel import _preferences
from napari_lightvessel._training import RunView
from src_training import load_model
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
    (store.folder / "current.json").write_text(json.dumps({"model": waiting, "previous": "small", "seq": 1}))
    dock.session.refresh_models()
    qtbot.waitUntil(dock.train.rollback_button.isEnabled, timeout=20_000)
    dock.train.rollback_button.click()
    assert store.current().id == waiting and not dock.train.ask.isHidden()
    dock.train.ask.reason.setText(reason)
    dock.train.ask.yes.click()
    qtbot.waitUntil(lambda: store.current().id == "small", timeout=20_000)
    assert decisions(dock) == [("rolled back", "small", "reader-1", reason)]


def test_a_pseudonym_that_is_an_address_is_not_recorded(dock, waiting, qtbot):
    _preferences.put("annotator", "somebody@example.org")
    dock.train.keep_button.click()
    qtbot.waitUntil(lambda: "Give a short pseudonym" in dock.train.line.text(), timeout=20_000)
    assert decisions(dock) == [] and dock.trainer.waiting()


@pytest.mark.parametrize("act", ["keep", "roll_back"])
def test_who_decides_on_what_somebody_else_has_replaced_is_told_so_and_shown_it(dock, waiting, qtbot, act):
    store = dock.session.workspace.models
    store.promote("small-syntax", decide(told("small-syntax", patients=12)), by="reader-2")
    assert dock.session.shelf.live_id == "small"
    getattr(dock.trainer, act)()
    line = "somebody else switched meanwhile: small-syntax is the active model now, not small"
    qtbot.waitUntil(lambda: line in dock.train.line.text(), timeout=20_000)
    qtbot.waitUntil(lambda: dock.session.shelf.live_id == "small-syntax", timeout=20_000)
    assert [r["action"] for r in store.history()] == ["promoted"]
