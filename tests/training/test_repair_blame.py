"""Promises of a repair where somebody has added a record that lies: it goes, and what is sound stays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from durable_disks import frame, mask

from src_training import Workspace
from src_training.cli import main
from src_training.dataset.frame import Origin
from src_training.dataset.record import record_name, sealed, to_bytes

LIES = {
    "another size in bytes": lambda record: record["image"].update(bytes=1),
    "another size in bytes of the mask": lambda record: record["mask"].update(bytes=1),
    "another shape": lambda record: [record[kind].update(shape=[16, 16]) for kind in ("image", "mask")],
    "another type": lambda record: record["image"].update(dtype="float32"),
    "another mask's pixels": lambda record: record["mask"].update(pixels_sha256="0" * 64),
    "another hash that begins alike": lambda record: record["image"].update(
        sha256=record["image"]["sha256"][:16] + "0" * 48
    ),
    "another patient": lambda record: record.update(patient_key="1" * 64),
    "no patient": lambda record: record.update(patient_key=None),
}


@pytest.fixture
def filled(tmp_path):
    """A frame and its correction, which share the image."""
    workspace = Workspace.create(tmp_path / "ws")
    first = workspace.dataset.append(frame(1, "Doe"), mask(1))
    other = np.zeros_like(mask(1))
    other[2:6] = 1
    workspace.dataset.revise(first, Origin("accepted"), other)
    return workspace


def add_lie(folder, lie, *, first):
    """A record like the last one but for the lie; ``first``: its name comes before all others."""
    record = json.loads(max(folder.glob("r*.json")).read_bytes())
    lie(record)
    for attempt in range(100_000):
        record |= {"seq": 1 if first else 7, "attempt": attempt}
        record = sealed(record)
        if not first or record["self_sha256"].startswith("000"):
            path = folder / f"{record_name(record)}.json"
            path.write_bytes(to_bytes(record))
            return path
    raise AssertionError


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_record_that_lies_takes_no_sound_one_with_it(filled, capsys, lie, first):
    (head,) = filled.dataset.heads()
    folder, before = head.folder, sorted(path.name for path in head.folder.iterdir())
    added = add_lie(folder, lie, first=first)
    report = filled.dataset.verify(deep=True)
    assert {(one.code, one.path) for one in report.findings if one.is_damage} == {("D05", added)}
    assert main(["doctor", str(filled.path), "--repair"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == before
    ours = Workspace.open(filled.path).dataset
    assert ours.heads() == [head] and ours.verify(deep=True).sound


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_a_changed_file_still_goes_with_its_records(filled, kind):
    (head,) = filled.dataset.heads()
    path = head.folder / head.record[kind]["file"]
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    report = filled.dataset.verify(deep=True)
    assert {(one.code, one.path) for one in report.findings if one.is_damage} == {("D07", path)}
    assert main(["doctor", str(filled.path), "--repair"]) == 0
    assert not path.exists()
