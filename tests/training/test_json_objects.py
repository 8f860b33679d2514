"""Promises about JSON objects: what is written is read as it was, whatever letters it is of; nothing else is raised."""

from __future__ import annotations

import errno
import os
import sys

import pytest
from durable_disks import RefusingDisk, frame, mask
from hypothesis import given
from hypothesis import strategies as st

from src_training import Workspace, durable
from src_training.dataset.outbox import Kept, Outbox, save_or_keep
from src_training.dataset.sources import Source, Sources
from src_training.exchange.classes import remember, remembered
from src_training.json_objects import json_bytes, json_object
from src_training.runs.events import read_events

# As Linux gives the name of a file that was written in Latin-1.
LATIN = os.fsdecode(b"Gef\xe4\xdfe") if sys.platform == "linux" else "Gef\udce4\udcdfe"
ANY = st.text(st.characters(codec=None), max_size=20)


@given(record=st.dictionaries(ANY, ANY | st.integers() | st.lists(ANY, max_size=3), max_size=5))
def test_what_is_written_is_read_as_it_was(record):
    content = json_bytes(record)
    assert content.decode() and json_object(content) == record


@given(text=st.binary(max_size=60) | st.sampled_from([b"[" * 100_000, b"[1]", b"null", b'{"a":', b""]))
def test_what_holds_no_object_is_none(text):
    assert json_object(text) is None or isinstance(json_object(text), dict)


def test_names_in_no_utf8_are_noted_like_others(tmp_path):
    durable.append_line(tmp_path / "events.jsonl", {"event": "log", "message": LATIN})
    ((event,), _) = read_events(tmp_path / "events.jsonl")
    assert event["message"] == LATIN
    dataset = Workspace.create(tmp_path / "ws").dataset
    Sources(dataset).remember("0" * 24, Source(LATIN))
    assert Sources(dataset).read()["0" * 24].label == LATIN
    remember("some", {LATIN.casefold(): 1})
    assert list(remembered("some").values()) == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is Unicode")
def test_a_frame_waits_for_a_workspace_whose_name_is_in_no_utf8(tmp_path, monkeypatch):
    dataset = Workspace.create(tmp_path / LATIN).dataset
    disk = RefusingDisk(dataset.folder, errno.ENOSPC)
    monkeypatch.setattr(durable, "disk", disk)
    assert isinstance(save_or_keep(dataset, frame(1), mask(1)), Kept)
    disk.refusing = False
    assert len([*Outbox(dataset).publish()]) == 1 and len(list(dataset.cases())) == 1
