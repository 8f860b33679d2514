"""Promises of JSON from elsewhere: what it takes is known before it is parsed, whatever it is made of."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src_training import Workspace
from src_training.cli import main
from src_training.dataset.record import sealed
from src_training.errors import DatasetError
from src_training.exchange.records import read_record
from src_training.json_size import parsing_bytes
from src_training.models import records

MIB = 1 << 20

CROWDED = {
    "lists": lambda n: "[" + ",".join(["[]"] * n) + "]",
    "lists in lists": lambda n: "[" + ",".join(["[[1.5]]"] * n) + "]",
    "empty objects": lambda n: "[" + ",".join(["{}"] * n) + "]",
    "objects": lambda n: "[" + ",".join(['{"a":1}'] * n) + "]",
    "keys": lambda n: "{" + ",".join(f'"{i:x}":1' for i in range(n)) + "}",
    "numbers": lambda n: json.dumps([i + 0.5 for i in range(n)]),
    "integers": lambda n: json.dumps([i + 10**17 for i in range(n)]),
    "texts": lambda n: json.dumps([f"{i:x}" for i in range(n)]),
    "one text": lambda n: json.dumps("a" * 8 * n),
    "a wide text": lambda n: json.dumps("a" * 8 * n + "😀", ensure_ascii=False),
}


def taken(text: bytes) -> int:
    """What parsing takes at its peak, with the text itself."""
    tracemalloc.start()
    try:
        _ = json.loads(text)
        return tracemalloc.get_traced_memory()[1] + len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", CROWDED)
def test_what_is_reckoned_is_never_less_than_what_is_taken(kind):
    for count in (20_000, 44_000, 90_000):  # a table doubles now and then
        text = CROWDED[kind](count).encode()
        assert taken(text) <= parsing_bytes(text) + MIB / 4


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=9), inner, max_size=6),
    max_leaves=40,
)


@settings(max_examples=100, deadline=None)
@given(value=JSON)
def test_nor_of_anything_else(value):
    text = json.dumps([value] * 300, ensure_ascii=False).encode()
    assert taken(text) <= parsing_bytes(text) + MIB / 8


@pytest.fixture
def parsed(monkeypatch):
    """How long the texts were that were parsed."""
    lengths = []
    real = json.JSONDecoder.decode

    def decode(decoder, text, *given):
        lengths.append(len(text))
        return real(decoder, text, *given)

    monkeypatch.setattr(json.JSONDecoder, "decode", decode)
    return lengths


@pytest.mark.parametrize("size", [2 * MIB, 20 * MIB])
def test_facts_of_a_dataset_that_are_too_large_are_refused_unread(tmp_path, capsys, parsed, size):
    workspace = Workspace.create(tmp_path / "ws")
    path = workspace.path / "dataset" / "dataset.json"
    path.write_text(json.dumps(sealed(workspace.dataset.facts | {"more": [[]] * (size // 4)})))
    parsed.clear()
    assert main(["dataset", "list", str(workspace.path)]) == 2
    assert "larger than 1 MiB" in capsys.readouterr().err
    assert main(["doctor", str(workspace.path)]) == 1
    assert max(parsed, default=0) < MIB
    assert "D01" in capsys.readouterr().out


def test_a_crowded_snapshot_is_refused_unread(tmp_path, parsed):
    workspace = Workspace.create(tmp_path / "ws")
    folder = workspace.path / "dataset" / "snapshots"
    folder.mkdir()
    (folder / "one.json").write_bytes(
        b'{"schema":"lightvessel-snapshot/1","x":[' + b"[]," * 5_000_000 + b"1]}"
    )
    parsed.clear()
    with pytest.raises(DatasetError, match="too much memory"):
        workspace.dataset.load_snapshot("one")
    assert max(parsed, default=0) < MIB


def test_a_crowded_decision_is_none(parsed):
    assert records.parsed('{"x":[' + "[]," * 3_000_000 + "1]}") is None
    assert records.parsed('{"x":[' + "[]," * 300_000 + "1]}") is not None
    assert max(parsed) < 2 * MIB


def test_keys_count_where_annotations_are_read(tmp_path, parsed):
    path = tmp_path / "coco.json"
    path.write_bytes(b'{"images":{' + b'"aaaa":1,' * 6_000_000 + b'"a":1}}')
    with pytest.raises(DatasetError, match="Split it"):
        read_record(path, "a COCO file")
    assert not parsed


def test_a_long_snapshot_is_none_of_that(tmp_path):
    listed = [["a" * 24, f"{number:064x}"] for number in range(200_000)]
    text = json.dumps({"revisions": listed}, indent=1).encode()
    assert len(text) > 16 * MIB and parsing_bytes(text) < 256 * MIB
