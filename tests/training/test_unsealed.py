"""Promises about a copy that somebody gives back: that it says what older versions would say opens no back door."""

from __future__ import annotations

import json
import shutil

import pytest
from deciders import live_id, won
from model_folders import stage_tiny, told, worked_in

from src_training.dataset.sources import Source, Sources
from src_training.errors import Refused
from src_training.models.seals import Seals


@pytest.fixture
def other(store, tmp_path):
    """A model that nobody here judged."""
    return store.add(stage_tiny(tmp_path / "other", "other")).id


def give_back(store, model, earlier=()):
    """The store as versions without numbered decisions would have left it, which anybody can write."""
    shutil.rmtree(store.folder / "decisions", ignore_errors=True)
    (store.folder / "current.json").unlink(missing_ok=True)
    record = {"model": model, "card_sha256": "", "previous": None, "earlier": list(earlier), "seq": 1}
    (store.folder / "current.json").write_text(json.dumps(record))


DECISIONS = {
    "kept": lambda store, model_id: store.keep(model_id),
    "promoted": lambda store, model_id: store.promote(model_id, won(model_id, live_id(store))),
}


@pytest.mark.parametrize("decide", DECISIONS.values(), ids=DECISIONS.keys())
def test_a_model_that_came_live_with_it_is_asked_about(workspace, store, model_id, other, decide):
    worked_in(workspace)
    decide(store, model_id)
    give_back(store, other)
    assert store.current() is None and store.unjudged().id == other
    assert "not judged here" in store.warning()
    assert store.agree(other).id == other and store.current().id == other


def test_what_counted_before_there_were_seals_goes_on_to_count_and_nothing_else(
    workspace, store, model_id, other
):
    worked_in(workspace)
    give_back(store, model_id, earlier=["small"])
    assert store.current().id == model_id
    store.keep(other)
    assert store.current().id == model_id and store.previous().id == "small"
    give_back(store, model_id, earlier=["small"])
    assert store.current().id == model_id
    for model, earlier in ((other, ["small"]), (model_id, ["small", other])):
        give_back(store, model, earlier)
        assert store.current() is None and store.previous() is None


def test_who_keeps_another_model_has_not_agreed_to_what_came(workspace, store, model_id, other):
    worked_in(workspace)
    Seals(workspace.path).begin()
    give_back(store, other)
    store.keep(model_id)
    assert store.current() is None and store.unjudged().id == other


def test_figures_that_came_with_it_are_not_judged_by(workspace, store, model_id, other):
    worked_in(workspace)
    store.keep(model_id)
    (store.folder / "comparisons").mkdir(exist_ok=True)
    (store.folder / "comparisons" / f"{other}.json").write_text(
        json.dumps(told(other, patients=12).as_dict())
    )
    with pytest.raises(Refused, match=r"was compared elsewhere.*models compare"):
        store.promote(other)


def test_a_workspace_made_by_this_version_needs_no_decision_for_that(workspace, store, other):
    Sources(workspace.dataset).remember("0" * 24, Source())
    give_back(store, other)
    assert store.current() is None and store.unjudged().id == other
