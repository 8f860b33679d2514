"""``dataset.json`` from elsewhere: what it says of itself names files of the user's own, so nothing is used unread."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from durable_disks import frame, mask
from hostile_workspaces import VALUES, put, values_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src_training import Dataset, Workspace
from src_training.cli import main
from src_training.dataset.record import sealed, to_bytes
from src_training.errors import DatasetError


def facts_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "dataset.json").read_bytes())


def forge(folder: Path, facts: dict[str, Any]) -> None:
    """As a forger would: with the hash that its content has."""
    facts.pop("self_sha256", None)
    (folder / "dataset.json").write_bytes(to_bytes(sealed(facts)))


USED = [
    *(("uuid",), ("labels",), ("labels", "0"), ("split",), ("site_key_fingerprint",)),
    *(("split", name) for name in ("salt", "val_below", "test_below")),
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("way", USED, ids=".".join)
def test_a_value_that_cannot_be_is_one_line_for_all_commands(tmp_path, capsys, way, value):
    workspace = Workspace.create(tmp_path / "ws")
    workspace.dataset.append(frame(1), mask(1))
    folder = workspace.path / "dataset"
    forge(folder, put(facts_of(folder), way, VALUES[value]))
    capsys.readouterr()
    for words in (["dataset", "list"], ["dataset", "verify"]):
        assert main([*words, str(workspace.path)]) in (1, 2)
        out, err = capsys.readouterr()
        line = next(line for line in (out + err).splitlines() if "dataset.json" in line)
        assert way[0] in line and "Traceback" not in out + err and len(line) < 700


@pytest.mark.parametrize(
    "forged",
    [
        "../../elsewhere",
        "/etc",
        "",
        ".",
        "{12345678-1234-5678-1234-567812345678}",
        "urn:uuid:12345678-1234-5678-1234-567812345678",
        "12345678123456781234567812345678",
        "12345678-1234-5678-1234-56781234567A",
        "12345678-1234-5678-1234-567812345678\n",
        "12345678-1234-5678-1234-567812345678/../../x",
    ],
)
def test_an_identity_is_a_uuid_in_its_plain_form(tmp_path, forged):
    folder = Dataset.create(tmp_path / "d").folder
    forge(folder, facts_of(folder) | {"uuid": forged})
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        Dataset.open(folder)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_in_any_place_is_taken_whole_or_refused_in_a_line(tmp_path, data):
    folder = tmp_path / "d"
    if not folder.exists():
        Dataset.create(folder)
        (tmp_path / "sound.json").write_bytes((folder / "dataset.json").read_bytes())
    sound = json.loads((tmp_path / "sound.json").read_bytes())
    way = data.draw(st.sampled_from([way for way in values_in(sound) if way != ("self_sha256",)]))
    leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40)
    value = data.draw(
        leaf | st.lists(leaf, max_size=2) | st.dictionaries(st.text(max_size=3), leaf, max_size=2)
    )
    try:
        forge(folder, put(sound, way, value))
    except (ValueError, UnicodeEncodeError):  # cannot be written as JSON
        return
    said: list[str] = []
    try:
        found = Dataset.open(folder).facts
    except DatasetError as error:
        said.append(str(error))
    else:
        assert str(uuid.UUID(found["uuid"])) == found["uuid"]
        split = found["split"]
        assert 0 <= split["val_below"] <= split["test_below"] <= 10_000
        assert bytes.fromhex(split["salt"]) and len(found["site_key_fingerprint"]) == 16
    assert all("\n" not in line for line in said)


def test_what_is_not_used_is_free(tmp_path):
    folder = Dataset.create(tmp_path / "d").folder
    forge(folder, facts_of(folder) | {"created_utc": 3, "a later version": {"says": ["more"]}})
    assert Dataset.open(folder).append(frame(1), mask(1)).status == "accepted"
