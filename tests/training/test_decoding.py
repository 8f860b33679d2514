"""A file can hang, crash, flood or exhaust the process that decodes it, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import cine_files as files
import numpy as np
import psutil
import pytest
from forking import forked
from played_decoders import (
    CRASHES,
    EXHAUSTS,
    EXITS,
    FLOODS,
    HANGS,
    PRINTS,
    decoding_with,
    jpegls_that,
    patiently,
)

from src_training import decoding
from src_training.cine import read_cine
from src_training.dataset.masks import read_mask
from src_training.decoding import pool, process
from src_training.decoding.process import Decoder, Lost
from src_training.errors import BadMask, UnreadableCine

FRAMES = files.grey(frames=4)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture
def decoders():
    """``decoders(deed)``: from now on JPEG-LS frames do this to their process."""
    with contextlib.ExitStack() as stack:
        yield lambda deed, more="": stack.enter_context(decoding_with(jpegls_that(deed) + more))


@pytest.fixture
def hostile(tmp_path):
    """A file whose frames meet the played decoder."""
    return files.write_dicom(tmp_path / "hostile.dcm", FRAMES, files.JPEGLS)


def pids():
    """The decoding processes that wait to be asked."""
    return [decoder._child.pid for decoder in pool._pool._free]


def an_ordinary_file_opens(tmp_path):
    path = files.write_dicom(tmp_path / "ordinary.dcm", FRAMES, files.RLE)
    np.testing.assert_array_equal(read_cine(path).frame(2), FRAMES[2])


def test_a_decoder_that_hangs_is_stopped_and_the_next_file_opens(tmp_path, decoders, hostile, monkeypatch):
    decoders(HANGS)
    monkeypatch.setattr(process, "PATIENCE_S", 1.0)
    cine = read_cine(hostile)
    (pid,) = pids()
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(UnreadableCine, match=r"hostile.dcm: frame 1 of 4: decoding took longer than 1 s"):
            cine.frame(1)
        assert time.monotonic() - began < 5 and not psutil.pid_exists(pid)
    assert pids() == []  # the second time it was not even asked
    an_ordinary_file_opens(tmp_path)


@pytest.mark.parametrize("deed", [CRASHES, EXITS])
def test_a_decoder_that_crashes_takes_nothing_with_it(tmp_path, decoders, hostile, deed):
    decoders(deed)
    with pytest.raises(UnreadableCine, match=r"hostile.dcm: frame 0 of 4: its decoder crashed"):
        read_cine(hostile).frame(0)
    an_ordinary_file_opens(tmp_path)


@POSIX
@pytest.mark.parametrize("deed", [EXHAUSTS, FLOODS])
def test_a_decoder_gets_no_more_memory_than_an_angiogram_needs(tmp_path, decoders, hostile, deed):
    decoders(deed)
    with pytest.raises(UnreadableCine, match=r"frame 0 of 4: decoding failed \(it needs more memory"):
        read_cine(hostile).frame(0)
    (pid,) = pids()  # it was refused the memory, and goes on
    an_ordinary_file_opens(tmp_path)
    assert pids() == [pid]


def test_where_memory_cannot_be_capped_a_greedy_decoder_is_stopped(tmp_path, decoders, hostile):
    decoders(
        "import numpy, time; kept = numpy.ones(2 << 30, numpy.uint8); time.sleep(60)",
        more="child._cap_memory = lambda: None",
    )
    with patiently(), pytest.raises(UnreadableCine, match="takes more memory than any angiogram needs"):
        read_cine(hostile).frame(0)
    an_ordinary_file_opens(tmp_path)


def test_the_memory_that_is_watched_is_the_decoders_and_not_its_launchers(tmp_path, monkeypatch):
    """In a virtual environment on Windows ``sys.executable`` starts Python as a child of its own."""
    launcher = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    command = (sys.executable, "-c", launcher, "-m", "src_training.decoding.child")
    with contextlib.closing(pool.Pool(lambda: Decoder(command))) as launched:
        monkeypatch.setattr(pool, "_pool", launched)
        an_ordinary_file_opens(tmp_path)
        (decoder,) = launched._free
        assert psutil.Process(decoder._pid).ppid() == decoder._child.pid
        monkeypatch.setattr(process, "_LIBRARIES", 0)
        monkeypatch.setattr(
            process, "MEMORY", psutil.Process(decoder._child.pid).memory_info().rss + (5 << 20)
        )
        with pytest.raises(Lost, match="more memory"):
            decoder._check_memory()


def test_a_decoder_that_prints_does_not_disturb(tmp_path, decoders, hostile):
    decoders(PRINTS)
    cine = read_cine(hostile)
    for t in range(4):
        np.testing.assert_array_equal(cine.frame(t), FRAMES[t])


def test_a_process_that_died_while_it_waited_is_replaced_unnoticed(tmp_path):
    an_ordinary_file_opens(tmp_path)
    for decoder in pool._pool._free:
        decoder._child.kill()
        decoder._child.wait()
    an_ordinary_file_opens(tmp_path)


@POSIX
def test_a_process_that_hangs_ends_itself_when_nobody_is_left_to_kill_it(hostile):
    asking = _python(
        HANGS,
        f"""
cine = read_cine({str(hostile)!r})
print(pool._free[0]._child.pid, flush=True)
cine.frame(0)
""",
        more="child.PATIENCE_S, child._GRACE_S = 0.5, 0.5",
    )
    pid = int(asking.stdout.readline())
    time.sleep(0.3)
    asking.send_signal(signal.SIGKILL)
    asking.wait()
    until = time.monotonic() + 20
    while _runs(pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _runs(pid)


def _python(deed, code, more=""):
    """A Python of its own, to be killed or interrupted, that runs ``code`` with a decoder that does ``deed``."""
    program = f"""
import pathlib, sys
sys.path.append({str(Path(__file__).parent)!r})
from played_decoders import decoding_with
from src_training.cine import read_cine
with decoding_with({jpegls_that(deed) + more!r}) as pool:
{textwrap.indent(code, "    ")}
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def _runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@POSIX
def test_ctrl_c_reaches_whoever_asks_and_no_answer_is_taken_for_another(tmp_path, hostile):
    begun, shown = tmp_path / "begun", tmp_path / "shown.npy"
    asking = _python(
        f"import time; open({str(begun)!r}, 'w').close(); time.sleep(0.8); return real(data)",
        f"""
import numpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
cine = read_cine({str(hostile)!r})
pathlib.Path({str(begun)!r}).unlink(missing_ok=True)
print("opened", flush=True)
try:
    cine.frame(0)
except KeyboardInterrupt:
    numpy.save({str(shown)!r}, cine.frame(3))
""",
    )
    assert asking.stdout.readline() == "opened\n"
    until = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < until:
        time.sleep(0.01)
    asking.send_signal(signal.SIGINT)
    assert asking.wait(120) == 0
    np.testing.assert_array_equal(np.load(shown), FRAMES[3])


def test_a_file_that_was_replaced_is_not_shown_for_the_one_that_was_opened(tmp_path):
    path = files.write_dicom(tmp_path / "x.dcm", FRAMES, files.RLE)
    cine = read_cine(path)
    files.write_dicom(path, FRAMES[::-1], files.RLE)
    os.utime(path, ns=(1, 1))
    with pytest.raises(
        UnreadableCine, match=r"x.dcm: the file has changed since it was opened. Open it again."
    ):
        cine.frame(0)
    np.testing.assert_array_equal(read_cine(path).frame(0), FRAMES[3])


def test_many_threads_share_two_processes(tmp_path):
    paths = [files.write_dicom(tmp_path / f"{n}.dcm", FRAMES + n, files.RLE) for n in range(6)]
    wrong: list = []

    def look(n):
        cine = read_cine(paths[n])
        wrong.extend(t for t in range(4) if not np.array_equal(cine.frame(t), FRAMES[t] + n))

    threads = [threading.Thread(target=look, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and len(pids()) <= 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_asks_processes_of_its_own(tmp_path):
    an_ordinary_file_opens(tmp_path)
    cine = read_cine(tmp_path / "ordinary.dcm")

    def look():
        for t in range(4):
            np.testing.assert_array_equal(cine.frame(t), FRAMES[t])
        pool._pool.close()

    pid = forked(look)
    for t in (3, 2, 1, 0):
        np.testing.assert_array_equal(cine.frame(t), FRAMES[t])
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_masks_are_decoded_elsewhere_too(tmp_path, decoders, monkeypatch):
    decoders("pass", more="import PIL.Image, time; PIL.Image.open = lambda path: time.sleep(60)")
    monkeypatch.setattr(process, "PATIENCE_S", 1.0)
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(BadMask, match=r"mask.png: cannot be read as a mask \(decoding took longer than 1 s"):
        read_mask(tmp_path / "mask.png")


def test_no_decoder_is_loaded_where_people_work(tmp_path):
    path = files.write_dicom(tmp_path / "x.dcm", FRAMES, files.JPEG2000)
    code = f"""
import sys
from src_training.cine import read_cine
read_cine({str(path)!r}).frame(0)
print([name for name in ("pydicom", "imagecodecs", "tifffile", "PIL") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_process_started_in_advance_is_the_one_that_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "_pool", pool.Pool())
    decoding.warm_up()
    decoding.warm_up()
    (pid,) = pids()
    an_ordinary_file_opens(tmp_path)
    assert pids() == [pid]
    pool._pool.close()
    assert not psutil.pid_exists(pid)


def test_a_decoding_process_does_not_load_what_reaches_for_the_network():
    code = (
        "import sys; from src_training.decoding.answers import import_decoders; import_decoders();"
        "found = {'requests', 'urllib3'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
