"""Snapshots and names of records from elsewhere: a list names cases and nothing else, a number is one that can be."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from durable_disks import frame, mask
from hostile_workspaces import VALUES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_folders import stage_tiny

from src_training import Dataset, Workspace
from src_training.cli import main
from src_training.dataset.frame import Origin
from src_training.dataset.record import sealed, to_bytes
from src_training.dataset.snapshot import list_hash
from src_training.errors import DatasetError
from src_training.models.card import ModelCard
from src_training.models.contest import unlearnt

CASE, SHA = "f" * 24, "0" * 64
LISTS = {
    "a climbing case": [["..", SHA]],
    "a case that climbs far": [["../../..", SHA]],
    "an absolute case": [["/etc", SHA]],
    "a share": [["\\\\server\\share", SHA]],
    "a NUL": [["a\0b", SHA]],
    "a half letter": [["\ud800", SHA]],
    "a long case": [["a" * 5000, SHA]],
    "a short sha": [[CASE, "0" * 8]],
    "a number": [[1, 2]],
    "lists": [[["x"], ["y"]]],
    "three": [[CASE, SHA, SHA]],
    "a text": [CASE],
    "an object": {"a": 1},
}


def plant(workspace: Workspace, listed: object, name: str = "one") -> Path:
    folder = workspace.path / "dataset" / "snapshots"
    folder.mkdir(exist_ok=True)
    record = {"schema": "lightvessel-snapshot/1", "name": name, "revisions": listed}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(sealed(record | {"sha256": list_hash(listed)})))
    return path


@pytest.fixture
def filled(tmp_path):
    workspace = Workspace.create(tmp_path / "ws")
    workspace.dataset.append(frame(1), mask(1))
    return workspace


@pytest.mark.parametrize("listed", (LISTS | VALUES).values(), ids=(LISTS | VALUES).keys())
def test_what_is_no_list_of_revisions_is_damage_and_hides_no_other(filled, monkeypatch, listed):
    looked = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda place: looked.append(place) or real(place))
    try:
        plant(filled, listed)
    except (TypeError, ValueError):
        return  # no JSON, and so in no file
    report = filled.dataset.verify(deep=True)
    assert [one.code for one in report.findings] == ([] if listed == [] else ["D09"])
    assert report.cases == 1, "what is wrong with one file keeps nobody from looking at the others"
    assert not [place for place in looked if isinstance(place, str | Path)], (
        "only what is opened below the root"
    )
    if listed != []:
        with pytest.raises(DatasetError, match=r"one\.json: .*backup"):
            filled.dataset.load_snapshot("one")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([CASE, SHA]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(listed=JSON)
def test_whatever_it_lists_is_one_line(filled, listed):
    plant(filled, listed)
    assert filled.dataset.verify().cases == 1
    with contextlib.suppress(DatasetError):
        filled.dataset.load_snapshot("one")


def test_a_list_that_its_hash_is_not_of_is_not_loaded(filled):
    path = plant(filled, [])
    record = json.loads(path.read_text()) | {"sha256": SHA}
    path.write_bytes(to_bytes(sealed(record)))
    with pytest.raises(DatasetError, match="not the one that its hash is of"):
        filled.dataset.load_snapshot("one")


def test_a_model_learnt_on_such_a_list_is_not_compared(filled, tmp_path, capsys):
    card = stage_tiny(tmp_path / "staged") / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"run": "one"}))
    model = filled.models.add(card.parent)
    plant(filled, 5)
    assert main(["models", "compare", str(filled.path), model.id]) == 2
    said = capsys.readouterr().err
    assert "snapshots/one.json: its list is none of revisions" in said and "Traceback" not in said


def test_models_that_are_each_others_parents_are_compared(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(ModelCard, "is_id", lambda card, model_id: True)  # as of an older version's short ids
    filled.dataset.snapshot("one", filled.dataset.heads())
    for name, parent in (("first", "second"), ("second", "first")):
        folder = stage_tiny(filled.path / "models" / name, name)
        card = json.loads((folder / "card.json").read_text()) | {"run": "one", "parent": parent}
        (folder / "card.json").write_text(json.dumps(card))
    loads = []
    real = Dataset.load_snapshot

    def load(dataset, name):
        loads.append(name)
        assert len(loads) < 100
        return real(dataset, name)

    monkeypatch.setattr(Dataset, "load_snapshot", load)
    assert unlearnt(filled, [filled.models.get("first")]) == []
    assert loads == ["one", "one"]


@pytest.mark.parametrize("number", ["9" * 10, str(2**53 - 1), "9" * 200, "0" * 4])
def test_a_name_of_a_record_with_any_number_keeps_no_correction_from_being_saved(filled, number):
    (head,) = filled.dataset.heads()
    planted = head.folder / f"r{number}-0123456789abcdef.json"
    planted.write_text("{}")
    corrected = np.zeros_like(mask(1))
    corrected[2:5] = 1
    ours = Workspace.open(filled.path).dataset
    saved = ours.save(ours.again(head, Origin("accepted"), corrected), corrected=[head])
    planted.unlink()
    (after,) = Workspace.open(filled.path).dataset.heads()
    assert after == saved and np.array_equal(after.mask(), corrected)
    assert filled.dataset.verify(deep=True).sound
