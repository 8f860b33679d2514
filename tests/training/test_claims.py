"""Promises of claiming: of several who create the same thing at once one succeeds, and the others hear of it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
from durable_disks import PowerCutDisk, ScratchDisk, StepDisk
from forking import forked
from hypothesis import given, settings
from hypothesis import strategies as st
from interleaving import Interleaving, Killed

from src_training import durable, turns
from src_training.exchange.classes import remember, remembered
from src_training.ledger import Ledger
from src_training.turns import Busy, turn

BURSTS = st.lists(st.tuples(st.integers(-1, 2), st.integers(1, 6)), min_size=5, max_size=40)


def steps(bursts):
    return [who for who, many in bursts for _ in range(many if who >= 0 else 1)]


class NoLinks(ScratchDisk):
    """A stick: a file has one name there."""

    def rename_new(self, temporary, path):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


class NoLinksBetween(Interleaving):
    def rename_new(self, temporary, path):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("disk", [Interleaving, NoLinksBetween], ids=["links", "no links"])
@given(bursts=BURSTS)
@settings(max_examples=60, deadline=None)
def test_of_several_who_write_a_new_file_one_does_and_nobody_is_written_over(disk, bursts, tmp_path_factory):
    path = tmp_path_factory.mktemp("new") / "dataset.json"
    works = [partial(durable.write_new, path, f"of {who}".encode()) for who in range(3)]
    came = disk(steps(bursts)).run(works)
    there = path.read_text() if path.exists() else None
    for who, one in enumerate(came):
        assert isinstance(one, FileExistsError | Killed) or (one is None and there == f"of {who}")
    if not any(isinstance(one, Killed) for one in came):
        assert [isinstance(one, FileExistsError) for one in came].count(False) == 1
        assert os.listdir(path.parent) == ["dataset.json"]
    elif there is None:
        durable.write_new(path, b"of a later one")  # nobody has to wait for the dead


def test_what_one_who_was_killed_has_claimed_without_links_is_written_by_the_next(tmp_path, monkeypatch):
    path = tmp_path / "dataset.json"
    durable.claim(tmp_path / ".dataset.json.claim", "content", b"of the dead")
    monkeypatch.setattr(durable, "disk", NoLinks())
    with pytest.raises(FileExistsError):
        durable.write_new(path, b"of the next")
    assert path.read_bytes() == b"of the dead" and os.listdir(tmp_path) == ["dataset.json"]


def test_what_came_between_the_look_and_the_name_is_not_written_over(tmp_path, monkeypatch):
    class Between(StepDisk):
        def at(self, step, name, *arguments):
            if step == 0:
                (tmp_path / "a").write_bytes(b"theirs")

    monkeypatch.setattr(durable, "disk", Between())
    with pytest.raises(FileExistsError):
        durable.write_new(tmp_path / "a", b"ours")
    assert (tmp_path / "a").read_bytes() == b"theirs" and os.listdir(tmp_path) == ["a"]


def test_a_claim_is_whole_or_not_there_after_a_power_cut(tmp_path):
    root, found = tmp_path / "disk", tmp_path / "found"
    root.mkdir()

    class Judged(PowerCutDisk):
        states = 0

        def at(self, step, name, *arguments):
            for names_survive, rng in ((False, None), (True, None), (False, random.Random(step))):
                Judged.states += 1
                target = found / str(Judged.states)
                target.mkdir(parents=True)
                self.after_power_cut(target, rng, names_survive=names_survive)
                claimed = target / "00000001"
                assert not claimed.exists() or (claimed / "record.json").read_bytes() == b"{1}"

    disk = Judged(root)
    with mock.patch.object(durable, "disk", disk):
        durable.claim(root / "00000001", "record.json", b"{1}")
        disk.at(99, "end")
    assert Judged.states >= 21 and (root / "00000001" / "record.json").read_bytes() == b"{1}"
    assert (disk.after_power_cut(found, None) / "00000001" / "record.json").read_bytes() == b"{1}"


def test_a_network_drive_that_asks_twice_is_not_told_no_by_its_own_success(tmp_path, monkeypatch):
    class Twice(ScratchDisk):
        def rename_dir(self, staged, path):
            super().rename_dir(staged, path)
            super().rename_dir(staged, path)

    monkeypatch.setattr(durable, "disk", Twice())
    durable.claim(tmp_path / "1", "record.json", b"{mine}")
    with pytest.raises(FileExistsError):
        durable.claim(tmp_path / "1", "record.json", b"{another}")
    assert (tmp_path / "1" / "record.json").read_bytes() == b"{mine}" and os.listdir(tmp_path) == ["1"]


def test_on_windows_a_taken_name_is_told_and_a_scanner_waited_for(tmp_path, monkeypatch):
    rename, pauses = os.rename, []
    monkeypatch.setattr(durable, "_WINDOWS", True)
    monkeypatch.setattr(durable.time, "sleep", pauses.append)

    def windows(source, target):
        if os.path.exists(target):
            raise (PermissionError if os.path.isdir(target) else FileExistsError)(errno.EACCES, "no")
        if len(pauses) < 2:
            raise PermissionError(errno.EACCES, "in use by another process")
        rename(source, target)

    monkeypatch.setattr(os, "rename", windows)
    durable.claim(tmp_path / "1", "record.json", b"{}")
    durable.write_new(tmp_path / "a", b"one")
    assert len(pauses) == 2
    with pytest.raises(FileExistsError):
        durable.claim(tmp_path / "1", "record.json", b"{other}")
    with pytest.raises(FileExistsError):
        durable.write_new(tmp_path / "a", b"two")
    assert len(pauses) == 2


@given(bursts=BURSTS)
@settings(max_examples=60, deadline=None)
def test_each_number_of_a_ledger_is_given_once(bursts, tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "records", "record.json")
    heard = []

    def add_three(who):
        for at in range(3):
            number = ledger.newest() + 1
            while not ledger.add(number, {"by": f"{who}-{at}"}):
                number = ledger.newest() + 1
            heard.append((number, f"{who}-{at}"))

    came = Interleaving(steps(bursts)).run([partial(add_three, who) for who in range(3)])
    killed = sum(isinstance(one, Killed) for one in came)
    assert all(one is None or isinstance(one, Killed) for one in came)
    there = [(number, json.loads(ledger.read(number))["by"]) for number in ledger.numbers()]
    assert set(heard) <= set(there) and len(there) - len(heard) <= killed
    assert [number for number, _ in there] == list(range(1, len(there) + 1))


@given(bursts=BURSTS)
@settings(max_examples=60, deadline=None)
def test_one_at_a_time_has_a_turn_and_the_dead_have_none(bursts, tmp_path_factory):
    folder, inside, most, told = tmp_path_factory.mktemp("turns") / "turns", [], [], []
    disk = Interleaving(steps(bursts))

    def take(who):
        had = 0
        for _ in range(3):
            try:
                with turn(folder, f"the work of {who}"):
                    inside.append(who)
                    most.append(len(inside))
                    disk.pause()
                    inside.remove(who)
                    had += 1
            except Busy as error:
                told.append(str(error))
        return had

    came = disk.run([partial(take, who) for who in range(3)])
    assert max(most, default=1) == 1 or any(isinstance(one, Killed) for one in came)
    assert sum(one for one in came if isinstance(one, int)) > 0 or any(
        isinstance(one, Killed) for one in came
    )
    assert all("\n" not in line and "is under way" in line for line in told)
    with turn(folder, "what comes later"):
        assert len(Ledger(folder, "taken.json").numbers()) <= 9  # they do not pile up


def test_who_slept_while_turns_went_by_has_none_that_is_long_past(tmp_path):
    with contextlib.ExitStack() as others:

        def sleep():
            if not slept:
                slept.append(True)
                for _ in range(3):  # the place that is claimed afterwards is tidied away
                    with turn(tmp_path / "turns", "of another"):
                        pass
                others.enter_context(turn(tmp_path / "turns", "of a third"))

        slept = []
        with pytest.raises(Busy, match="of a third"), turn(tmp_path / "turns", "mine", sleep):
            pytest.fail("two have their turn")


def test_a_process_that_is_killed_in_its_turn_keeps_nobody_waiting(tmp_path):
    def hold():
        with turn(tmp_path / "turns", "the work of a child"):
            os.write(tell, b"1")
            os.read(wait, 1)  # for ever: nobody writes

    told, tell = os.pipe()
    wait, _never = os.pipe()
    child = forked(hold)
    os.read(told, 1)
    with pytest.raises(Busy, match="the work of a child is under way"), turn(tmp_path / "turns", "mine"):
        pass
    os.kill(child, 9)
    os.waitpid(child, 0)
    with turn(tmp_path / "turns", "mine"):
        pass


def test_a_drive_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(durable.confined, "is_folder", lambda path: False)  # nor E:\\ itself, on Windows
    with pytest.raises(FileNotFoundError):
        durable.make_dir(Path("/ws/dataset"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_several_note_down_about_classes_at_once_all_stays(monkeypatch):
    monkeypatch.setattr(turns, "_PATIENCE_S", 120.0)

    def note(who):
        for number in range(6):
            remember("some", {f"class {who} {number}": 1})

    children = [forked(partial(note, who)) for who in range(4)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert len(remembered("some")) == 24
