"""Promises of the decisions about models: who and why are recorded, before anything follows, and all are told."""

from __future__ import annotations

import json

import pytest
from durable_disks import LoggingDisk
from model_folders import told

from src_training import durable
from src_training.cli import main
from src_training.errors import DatasetError, ModelError, Refused
from src_training.models.gate import decide
from src_training.workspace import user_config_dir


def test_every_decision_says_who_and_why(store, model_id):
    with pytest.raises(Refused):
        store.promote(model_id, by="reader-1")
    store.keep(model_id, "too few patients", by="reader-1")
    store.promote(model_id, override="saw every\nframe", by="reader-2")
    store.rollback("misses side branches", by="reader-3")
    store.promote(model_id, override="again")
    store.rollback()
    found = [(r["action"], r["by"], r["override"], r["reason"]) for r in store.history()]
    assert found == [
        ("refused", "reader-1", None, ""),
        ("kept", "reader-1", None, "too few patients"),
        ("promoted", "reader-2", "saw every frame", ""),
        ("rolled back", "reader-3", None, "misses side branches"),
        ("promoted", "", "again", ""),
        ("rolled back", "", None, ""),
    ]


def test_keeping_changes_nothing_and_tells_what_the_gate_said(store, model_id):
    store.keep(model_id)
    (record,) = store.history()
    assert store.current() is None and record["before"] == "small" and record["seq"] is None
    assert record["decision"]["verdict"] == "cannot_tell" and record["comparison"]["patients"] == 3


def test_a_kept_model_between_two_switches_cuts_neither_short(store, model_id):
    store.promote(model_id, override="mine")
    store.keep("small-syntax")
    store.rollback()
    assert [r["action"] for r in store.history()] == ["promoted", "kept", "rolled back"]


@pytest.mark.parametrize("name", ["somebody@example.org", "two\nlines", "x" * 65])
@pytest.mark.parametrize(
    "act",
    [
        lambda store, model_id, by: store.promote(model_id, override="mine", by=by),
        lambda store, model_id, by: store.keep(model_id, by=by),
        lambda store, model_id, by: store.rollback(by=by),
    ],
    ids=["promote", "keep", "roll back"],
)
def test_only_a_pseudonym_is_recorded(store, model_id, act, name):
    store.promote("small-syntax", decide(told("small-syntax", patients=12)))
    store.keep_comparison(told(model_id, current="small-syntax"))
    with pytest.raises(DatasetError, match="Give a short pseudonym"):
        act(store, model_id, name)
    assert store.current().id == "small-syntax" and len(store.history()) == 1


@pytest.mark.parametrize(
    ("name", "message"), [("nothing-like-it", "no such model"), ("small", "it is the active model")]
)
def test_what_cannot_be_kept_from_going_live_is_said(store, name, message):
    with pytest.raises(ModelError, match=message):
        store.keep(name)
    assert store.history() == []


def test_a_refusal_and_a_roll_back_are_on_the_disk_before_anything_follows(store, model_id, monkeypatch):
    store.promote(model_id, override="mine")
    disk = LoggingDisk()
    monkeypatch.setattr(durable, "disk", disk)
    store.rollback("worse at home")
    claimed, shown = disk.log[:7], disk.log[7:]
    assert claimed == ["mkdir", "open", "write", "sync", "sync_dir", "rename_dir", "sync_dir"]
    assert shown == ["open", "write", "sync", "rename", "sync_dir"]  # for older versions


def test_a_figure_that_is_no_number_is_refused_and_recorded(store, model_id):
    with pytest.raises(Refused, match="reference set"):
        store.promote(model_id, decide(told(model_id, home=float("nan"))))
    assert store.history()[-1]["comparison"]["home_dice_candidate"] is None


def test_the_shell_records_and_tells_all_of_it(workspace, model_id, capsys):
    place = str(workspace.path)
    assert main(["models", "promote", place, model_id, "--by", "reader-1"]) == 3
    assert main(["models", "keep", place, model_id, "--annotator", "reader-1", "--reason", "too early"]) == 0
    assert main(["models", "promote", place, model_id, "--by", "reader-2", "--override", "seen all"]) == 0
    assert main(["models", "rollback", place, "--by", "reader-1", "--reason", "misses branches"]) == 0
    assert main(["models", "promote", place, model_id, "--override", "once more", "--by", "a@b.org"]) == 2
    capsys.readouterr()
    assert main(["models", "history", place]) == 0
    lines = [line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        f"refused {model_id}, active then: small; by reader-1: the gate says cannot tell: 3 test patients; at least 10 "
        "are needed to tell. The model is kept; it can be promoted with a reason.",
        f"kept small active, not {model_id}; by reader-1: too early",
        f"promoted {model_id}, active then: small; by reader-2: seen all",
        f"rolled back small, active then: {model_id}; by reader-1: misses branches",
    ]
    assert main(["models", "history", place, "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["by"] for r in records] == ["reader-1", "reader-1", "reader-2", "reader-1"]


def test_the_pseudonym_of_the_settings_decides_where_none_is_given(workspace, model_id):
    folder = user_config_dir()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plugin.json").write_text(json.dumps({"annotator": "reader-9"}), encoding="utf-8")
    assert main(["models", "keep", str(workspace.path), model_id]) == 0
    assert workspace.models.history()[-1]["by"] == "reader-9"


def test_decisions_of_an_older_version_are_told_too(workspace, capsys):
    old = {"utc": "2026-01-01T00:00:00+00:00", "action": "rolled back", "model": "small", "override": None}
    (workspace.models.folder / "decisions.jsonl").write_text(json.dumps(old) + "\n")
    assert main(["models", "history", str(workspace.path)]) == 0
    assert capsys.readouterr().out.endswith("by someone unnamed: no reason given\n")
    assert workspace.models.history()[0]["seq"] is None
