"""What the plugin remembers is the user's own: written whole or not at all, beside the window, for their eyes only."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading

import pytest

from napari_lightvessel import _preferences
from napari_lightvessel._recalling import _REMEMBERED, _with_patient
from src_training import durable


def written() -> dict:
    """The file once all that was put is in it."""
    _preferences._writer.submit(lambda: None).result(10)
    return json.loads(_preferences._path().read_text(encoding="utf-8"))


@pytest.mark.skipif(os.name == "nt", reason="modes are a matter of POSIX")
def test_only_the_user_can_read_it_even_if_others_could_before():
    path = _preferences._path()
    path.parent.mkdir(parents=True)
    path.write_text('{"workspace": "w"}')
    path.chmod(0o644)
    _preferences.put("annotator", "kim")
    assert written() == {"workspace": "w", "annotator": "kim"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_crash_in_the_middle_of_writing_leaves_what_was_there(monkeypatch):
    class Dies(durable.Disk):
        def write(self, fd: int, data: bytes) -> None:
            super().write(fd, data[:3])
            raise OSError(5, "Input/output error")

    _preferences.put("annotator", "kim")
    assert written() == {"annotator": "kim"}
    monkeypatch.setattr(durable, "disk", Dies())
    _preferences.put("annotator", "lee")
    assert written() == {"annotator": "kim"} and _preferences.get("annotator") == "lee"
    monkeypatch.setattr(durable, "disk", durable.Disk())
    _preferences.put("workspace", "w")
    assert written() == {"annotator": "lee", "workspace": "w"}


def test_what_another_window_remembers_meanwhile_stays(monkeypatch):
    make_dir = durable.make_dir

    def other_is_quicker(path, **how):
        make_dir(path, **how)
        if path == _preferences._path().parent:
            _preferences._path().write_text('{"workspace": "theirs"}')

    monkeypatch.setattr(durable, "make_dir", other_is_quicker)
    _preferences.put("annotator", "kim")
    assert written() == {"workspace": "theirs", "annotator": "kim"}


def test_windows_that_remember_at_once_undo_nothing_of_each_other():
    put = """
import sys
from napari_lightvessel import _preferences
from src_training import turns
turns._PATIENCE_S = 120.0
for number in range(10):
    _preferences.put(f"{sys.argv[1]} {number}", number)
    _preferences._writer.submit(lambda: None).result(120)
"""
    windows = [subprocess.Popen([sys.executable, "-c", put, str(who)]) for who in range(3)]
    assert [window.wait(240) for window in windows] == [0] * 3
    assert len(json.loads(_preferences._path().read_text(encoding="utf-8"))) == 30


def test_a_disk_that_hangs_holds_nobody_up_and_the_value_is_known_at_once(monkeypatch):
    class Hangs(durable.Disk):
        def sync(self, fd: int) -> None:
            assert threading.current_thread() is not threading.main_thread()
            assert goes_on.wait(10)
            super().sync(fd)

    goes_on = threading.Event()
    monkeypatch.setattr(durable, "disk", Hangs())
    _preferences.put("annotator", "kim")
    assert _preferences.get("annotator") == "kim" and not _preferences._path().exists()
    goes_on.set()
    assert written() == {"annotator": "kim"}


def test_what_is_put_last_before_the_end_of_the_program_is_kept():
    code = "from napari_lightvessel import _preferences; _preferences.put('annotator', 'kim')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert _preferences.get("annotator") == "kim"


def test_the_pseudonyms_named_last_are_kept_and_an_emptied_one_is_forgotten():
    known: dict[str, str] = {}
    for number in range(_REMEMBERED + 5):
        known = _with_patient(known, f"{999 - number}", f"p-{number}")
    known = _with_patient(known, "900", "renamed")
    assert len(known) == _REMEMBERED and list(known)[-1] == "900" and "999" not in known
    assert "900" not in _with_patient(known, "900", "")
