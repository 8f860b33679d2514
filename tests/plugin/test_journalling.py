"""Painting is never lost: edits that nobody accepted outlive the process, and come back when asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from journal_kills import paint_and_kill
from stalled_disk import HangingDisk, left_by_the_dead, longest_gap, recovery, three_strokes

from napari_lightvessel._demo import show_dock
from napari_lightvessel._journalling import journal_folder
from src_training import durable
from src_training.journal import Journal, JournalFacts, left_behind

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KILLS = 50


@pytest.fixture
def painted(viewer, dock, segment, frames):
    """A segmented cine with a stroke on frame 2."""
    viewer.add_image(frames, name="IM5")
    state = segment(dock)
    stroke(dock, state, 2)
    return state


def stroke(dock, state, t: int) -> None:
    dock.session.go_to(t)
    state.mask.layer.brush_size = 7
    state.mask.layer.paint((t, 12, 80), 1)


def journals() -> list[Journal]:
    return [Journal.open(facts.parent) for facts in sorted(journal_folder().glob("*/journal.json"))]


def kept() -> list[int]:
    return [t for journal in journals() for t in journal.frames()]


def left_by_a_crash(dock, state) -> Journal:
    """Let the journal of this cine look as if its process had been killed, and forget it here."""
    entry = state.journal
    dock.journalist.look()
    assert dock.journalist.writer.wait(10)
    journal = entry.journal
    return left_by_the_dead(journal.facts, {t: journal.labels(t) for t in journal.frames()})


def test_a_kill_loses_two_seconds_and_a_stroke_at_most(tmp_path):
    found = paint_and_kill(tmp_path, KILLS)
    assert sum(strokes for strokes, _, _ in found) > 10 * KILLS
    print(f"{KILLS} kills, oldest lost stroke {max(age for _, _, age in found):.2f} s")
    assert max(age for _, _, age in found) <= 2.0


def test_edits_of_a_killed_napari_come_back_onto_their_cine(
    viewer, qtbot, tmp_path, frames, saved, new_workspace
):
    file = tmp_path / "run.tif"
    tifffile.imwrite(file, frames, photometric="minisblack")
    child = subprocess.Popen(
        [sys.executable, str(HERE / "journal_viewer_child.py"), str(file)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert "kept\n" in child.stdout  # reads until it says so; napari has things to say before
    child.send_signal(signal.SIGKILL)
    child.wait()
    dock = show_dock(viewer)
    bar = dock.recovery_bar
    qtbot.waitUntil(lambda: not dock.recoverer.busy and not bar.ask.isHidden(), timeout=20_000)
    assert "edits on 2 frames of run.tif" in bar.ask.text.text()
    bar.ask.yes.click()
    qtbot.waitUntil(lambda: "Recovered 2 frames" in bar.line.text(), timeout=20_000)
    state = dock.session.state
    assert bar.ask.isHidden() and [layer.name for layer in viewer.layers] == ["run.tif", "run.tif vessels"]
    assert state.edited_frames() == [1, 3] and dock.session.frame == 1
    assert state.labels(3)[23, 30] == 1 and state.labels(1)[21, 30] == 1 and state.labels(3).sum() < 60
    new_workspace(dock, tmp_path / "ws")
    assert saved(dock).startswith("Saved · frame 1")
    qtbot.waitUntil(lambda: kept() == [3], timeout=10_000)
    dock.close_session()


def test_an_erased_proposal_is_an_edit_after_recovery_too(viewer, dock, painted, qtbot):
    painted.mask.replace(4, np.zeros(painted.cine.shape[1:], np.uint8))
    qtbot.waitUntil(lambda: kept() == [2, 4], timeout=10_000)
    gone = left_by_a_crash(dock, painted)
    painted.mask.layer.undo()
    painted.mask.layer.undo()
    recover(dock, gone, qtbot)
    assert painted.edited_frames() == [2, 4] and not painted.labels(4).any()


def recover(dock, journal: Journal, qtbot) -> None:
    dock.recoverer._found([journal])
    dock.recovery_bar.ask.yes.click()
    qtbot.waitUntil(lambda: not dock.recoverer.busy, timeout=10_000)


def test_undone_and_accepted_edits_leave_the_journal(dock, painted, qtbot, saved, new_workspace, tmp_path):
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    stroke(dock, painted, 4)
    qtbot.waitUntil(lambda: kept() == [2, 4], timeout=10_000)
    painted.mask.layer.undo()
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    new_workspace(dock, tmp_path / "ws")
    dock.session.go_to(2)
    assert saved(dock).startswith("Saved")
    qtbot.waitUntil(lambda: kept() == [], timeout=10_000)


def test_a_stroke_on_a_frame_left_at_once_is_kept(dock, painted, qtbot):
    stroke(dock, painted, 5)
    dock.session.go_to(0)
    qtbot.waitUntil(lambda: kept() == [2, 5], timeout=10_000)


def test_a_layer_that_is_let_go_takes_its_journal_along(viewer, dock, painted, qtbot):
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    viewer.layers.remove(painted.mask.layer)
    dock.journalist.look()
    assert dock.journalist.writer.wait(10) and kept() == [2]  # it may still be brought back
    dock.correct.ask.no.click()
    qtbot.waitUntil(lambda: journals() == [], timeout=10_000)
    stroke_again = painted.ensure_mask(viewer)
    stroke_again.layer.paint((1, 10, 10), 1)
    qtbot.waitUntil(lambda: kept() == [1], timeout=10_000)


def test_closing_with_consent_leaves_nothing_and_without_leaves_the_edits(dock, painted, qtbot):
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    dock.session.edits_let_go.emit()
    stroke(dock, painted, 3)  # the closing was taken back
    qtbot.waitUntil(lambda: kept() == [2, 3], timeout=10_000)
    dock.journalist.close()
    assert dock.journalist.writer.wait(10) and kept() == [2, 3]


def test_closing_with_consent_leaves_nothing(dock, painted, qtbot):
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    dock.session.edits_let_go.emit()
    dock.journalist.close()
    assert dock.journalist.writer.wait(10) and journals() == []


def test_a_disk_that_hangs_never_stops_the_window(dock, painted, qtbot):
    gap = longest_gap(HangingDisk(4.0), three_strokes(lambda t: stroke(dock, painted, t), 3.0))
    print(f"longest gap of the event loop {1000 * gap:.0f} ms")
    assert gap < 2.0
    qtbot.waitUntil(lambda: kept() == [1, 2, 3, 4], timeout=30_000)


def test_a_disk_that_hangs_does_not_stop_the_window_that_recovers(dock, painted, qtbot):
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    gone = left_by_a_crash(dock, painted)
    painted.mask.layer.undo()
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)  # the dead one's; what was undone is dropped
    gap = longest_gap(HangingDisk(4.0), recovery(dock, gone, 3.0))
    assert gap < 2.0 and painted.edited_frames() == []
    qtbot.waitUntil(lambda: painted.edited_frames() == [2], timeout=30_000)
    assert Journal.open(gone.folder).owner.is_alive


def test_what_was_painted_while_the_disk_hung_is_not_covered(dock, painted, qtbot):
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    gone = left_by_a_crash(dock, painted)
    painted.mask.layer.undo()

    def work() -> None:
        recovery(dock, gone, 1.0)()
        stroke(dock, painted, 5)
        qtbot.waitUntil(lambda: not dock.recoverer.busy, timeout=30_000)

    longest_gap(HangingDisk(3.0), work)
    assert "new edits" in dock.recovery_bar.line.text() and not dock.recovery_bar.ask.isHidden()
    assert painted.edited_frames() == [5] and gone.frames() == [2]


def test_edits_are_discarded_beside_the_window(dock, qtbot, monkeypatch):
    removers = []
    monkeypatch.setattr(Journal, "discard", lambda _journal: removers.append(threading.current_thread()))
    facts = JournalFacts("IM9", None, (3, 32, 40))
    dock.recoverer._found([left_by_the_dead(facts, {1: np.ones((32, 40), np.uint8)})])
    dock.recovery_bar.ask.no.click()
    dock.recovery_bar.ask.yes.click()
    qtbot.waitUntil(lambda: bool(removers), timeout=10_000)
    assert removers[0] is not threading.main_thread()


def test_a_full_disk_is_said_and_tried_again(dock, painted, qtbot, monkeypatch):
    class Full(durable.Disk):
        def sync(self, fd: int) -> None:
            raise OSError(28, "No space left on device")

    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    monkeypatch.setattr(durable, "disk", Full())
    stroke(dock, painted, 4)
    qtbot.waitUntil(lambda: "not kept safe" in dock.correct.line.text(), timeout=10_000)
    assert "Free some space" in dock.correct.line.text() and kept() == [2]
    monkeypatch.setattr(durable, "disk", durable.Disk())
    qtbot.waitUntil(lambda: kept() == [2, 4] and not dock.correct.line.text(), timeout=10_000)


def test_recovery_waits_for_new_edits_and_never_covers_them(dock, painted, qtbot):
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    gone = left_by_a_crash(dock, painted)
    recover(dock, gone, qtbot)
    assert "new edits" in dock.recovery_bar.line.text() and not dock.recovery_bar.ask.isHidden()
    assert painted.edited_frames() == [2] and gone.frames() == [2]


def test_edits_without_their_cine_are_shown_alone_and_stay(viewer, dock, qtbot):
    gone = Journal.begin(journal_folder(), JournalFacts("IM9", "/nowhere/IM9.dcm", (3, 32, 40)))
    gone.keep(1, np.full((32, 40), 1, np.uint8))
    recover(dock, gone, qtbot)
    assert "IM9 is not there" in dock.recovery_bar.line.text()
    assert viewer.layers[-1].name == "IM9 recovered edits" and viewer.layers[-1].data[1].all()
    assert gone.frames() == [1] and not dock.recovery_bar.ask.isHidden()


def test_discarding_asks_twice(dock, qtbot):
    gone = Journal.begin(journal_folder(), JournalFacts("IM9", None, (3, 32, 40)))
    gone.keep(1, np.ones((32, 40), np.uint8))
    dock.recoverer._found([gone])
    ask = dock.recovery_bar.ask
    ask.no.click()
    assert "for good" in ask.text.text() and gone.frames() == [1]
    ask.no.click()
    assert "that nobody accepted" in ask.text.text() and gone.frames() == [1]
    ask.no.click()
    ask.yes.click()
    assert ask.isHidden()
    qtbot.waitUntil(lambda: not gone.folder.exists(), timeout=10_000)


def test_damaged_frames_are_told_and_the_others_come_back(dock, painted, qtbot):
    stroke(dock, painted, 3)
    qtbot.waitUntil(lambda: kept() == [2, 3], timeout=10_000)
    gone = left_by_a_crash(dock, painted)
    painted.mask.layer.undo()
    painted.mask.layer.undo()
    (gone.folder / "t00002.png").write_bytes(b"\x89PNG")
    recover(dock, gone, qtbot)
    assert painted.edited_frames() == [3] and "frame 2 cannot be recovered" in dock.recovery_bar.line.text()


def test_what_this_process_keeps_is_not_offered_to_itself(dock, painted, qtbot):
    qtbot.waitUntil(lambda: kept() == [2], timeout=10_000)
    assert left_behind(journal_folder()) == []
