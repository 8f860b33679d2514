"""A process is known again whatever its computer is called, and no other computer's is taken for one of ours."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from src_training import processes
from src_training.journal import Journal, JournalFacts, left_behind
from src_training.runs import launching, machine
from src_training.runs.process import Identity

FACTS = JournalFacts("IM5.dcm", None, (2, 8, 8))
LABELS = np.ones((8, 8), np.uint8)


def renamed(monkeypatch) -> None:
    """As if the network had given this computer another name."""
    monkeypatch.setattr(socket, "gethostname", lambda: "dhcp-17.example")


def as_of(journal: Journal, **changed: object) -> None:
    """Change what its record says about its process; a value of None takes the entry out."""
    path = journal.folder / "journal.json"
    record = json.loads(path.read_bytes())
    record["owner"] = {k: v for k, v in {**record["owner"], **changed}.items() if v is not None}
    path.write_text(json.dumps(record))


@pytest.fixture
def journal(tmp_path):
    """One edited frame of a process that is gone."""
    journal = Journal.begin(tmp_path / "unaccepted", FACTS)
    journal.keep(1, LABELS)
    as_of(journal, started=1.0)
    return journal


def offered(journal: Journal) -> bool:
    return [found.folder for found in left_behind(journal.folder.parent)] == [journal.folder]


def test_edits_are_offered_after_the_computer_got_another_name(journal, monkeypatch):
    assert offered(journal)
    renamed(monkeypatch)
    assert offered(journal)
    as_of(journal, boot="an earlier one")
    assert offered(journal)


def test_edits_of_an_older_version_are_still_offered(journal, monkeypatch):
    as_of(journal, machine=None, space=None, parent=None)
    assert offered(journal)
    as_of(journal, boot="an earlier one")
    assert offered(journal)  # by the name
    as_of(journal, boot=machine.boot_id())
    renamed(monkeypatch)
    assert offered(journal) == bool(machine.boot_id())  # by the boot, where there is one to be told


@pytest.mark.parametrize("named_alike", [True, False])
def test_edits_of_another_computer_are_left_alone(journal, named_alike):
    as_of(journal, machine="f" * 32, boot="another", **({} if named_alike else {"host": "another"}))
    assert not offered(journal)


def test_edits_of_an_earlier_container_are_offered(journal):
    as_of(journal, space="pid:[1]", host="c0ffee")
    assert offered(journal)


def test_a_running_process_is_alive_whatever_its_computer_is_called(monkeypatch):
    me = Identity.of()
    assert me.is_here and me.is_alive
    renamed(monkeypatch)
    assert me.is_here and me.is_alive and Identity.from_json(me.to_json()) == me


@pytest.mark.skipif(not machine.process_space(), reason="only Linux counts processes by container")
def test_a_process_of_another_container_is_not_believed_to_be_gone():
    other = dataclasses.replace(Identity.of(), space="pid:[1]")
    assert other.is_of_this_machine and not other.is_here and not other.is_alive
    assert dataclasses.replace(other, boot="an earlier one").is_here  # that one is gone for certain


def test_the_id_stays_and_is_of_this_computer_and_user(tmp_path, monkeypatch):
    one = machine._machine_id.__wrapped__(tmp_path / "a")
    assert one == machine._machine_id.__wrapped__(tmp_path / "a") and len(one) == 32
    assert one != machine._machine_id.__wrapped__(tmp_path / "b")
    monkeypatch.setattr(machine, "_SYSTEM_FILES", ())
    assert one != machine._machine_id.__wrapped__(tmp_path / "a")  # a home folder that computers share


def test_a_folder_that_cannot_be_written_leaves_the_name_to_go_by(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(machine, "_SYSTEM_FILES", ())
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "file"))
    assert machine.machine_id() == "" and Identity.of().is_alive


def test_how_a_process_ended_is_known_through_its_launcher(monkeypatch):
    launcher = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    launcher.wait()
    monkeypatch.setitem(launching._children, launcher.pid, launcher)
    ended = dataclasses.replace(Identity.of(), pid=2**22 + 1, parent=launcher.pid)
    assert launching.exit_code(ended) == 7
    assert launching.exit_code(dataclasses.replace(ended, parent=0)) is None


def test_an_installed_package_puts_nothing_before_the_standard_library(monkeypatch):
    monkeypatch.setattr(processes, "_HOME", Path(sysconfig.get_path("purelib")).resolve())
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert "PYTHONPATH" not in processes.clean_environment(1)
    monkeypatch.setenv("PYTHONPATH", "/theirs")
    assert processes.clean_environment(1)["PYTHONPATH"] == "/theirs"


def test_a_checkout_is_found_by_its_children_before_what_else_is_installed(tmp_path):
    code = "import src_training; print(src_training.__file__)"
    environment = processes.clean_environment(1)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).parent.parent == processes._HOME
