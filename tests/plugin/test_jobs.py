"""Jobs beside the GUI thread: they leave Qt its own threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from qtpy.QtCore import QRunnable, QThreadPool

from napari_lightvessel import _jobs


@pytest.fixture
def narrow_pool(qtbot) -> Iterator[QThreadPool]:
    """Qt's pool as on a computer with one core, with nothing running."""
    pool = QThreadPool.globalInstance()
    qtbot.waitUntil(lambda: pool.waitForDone(0), timeout=60_000)
    before = pool.maxThreadCount()
    pool.setMaxThreadCount(1)
    yield pool
    pool.setMaxThreadCount(before)


class _Told(QRunnable):
    def __init__(self) -> None:
        super().__init__()
        self.setAutoDelete(False)
        self.ran = threading.Event()

    def run(self) -> None:
        self.ran.set()


@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_jobs_leave_qt_its_own_threads(narrow_pool, qtbot, visible, fails):
    """Qt converts pictures in its pool and waits there, holding Python's lock: it must not wait for a job."""
    go_on = threading.Event()
    begun: list[str] = []
    ended: list[object] = []

    def work(_cancelled) -> str:
        begun.append("")
        go_on.wait(60)
        if fails:
            raise OSError("a disk that failed")
        return "done"

    try:
        for _ in range(3):
            _jobs.start(work, done=ended.append, failed=ended.append, visible=visible)
        qtbot.waitUntil(lambda: len(begun) == 3, timeout=60_000)
        told = _Told()
        assert narrow_pool.tryStart(told)
        assert told.ran.wait(60)
    finally:
        go_on.set()
    qtbot.waitUntil(lambda: len(ended) == 3, timeout=60_000)
    qtbot.waitUntil(lambda: narrow_pool.waitForDone(0), timeout=60_000)
    _only_one_place_is_there_again(narrow_pool)


def test_a_program_that_ends_over_a_job_says_nothing(monkeypatch):
    """What a module's names were is None by then; Python would print a traceback under the last line."""
    job = _jobs.Job(lambda _cancelled: iter(range(3)), print, print, print)
    steps = job.body()
    assert next(steps) == 0
    for name in ("Cancelled", "LightVesselError"):
        monkeypatch.setattr(_jobs, name, None)
    steps.close()


def _only_one_place_is_there_again(pool: QThreadPool) -> None:
    go_on = threading.Event()

    class Holding(_Told):
        def run(self) -> None:
            go_on.wait(60)

    first, second = Holding(), _Told()
    try:
        assert pool.tryStart(first)
        assert not pool.tryStart(second)
    finally:
        go_on.set()
        pool.waitForDone(60_000)
