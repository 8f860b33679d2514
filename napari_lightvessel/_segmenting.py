"""Segmenting beside the GUI thread: predictions flow into a CineState, masks are re-derived without the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_lightvessel import _jobs, _settings
from napari_lightvessel._cine_state import CineState, Prediction
from napari_lightvessel._damage import LenientFrames, damaged_words
from napari_lightvessel._marks import count_words
from napari_lightvessel._session import Session
from src_training import Model, Polarity, Predictor, mask_from_probability, polarity_of

if TYPE_CHECKING:
    from src_training import Cine

_SETTLE_MS = 120  # a slider that is still moving re-derives the shown frame only


class Segmenter:
    """Runs the network for the Session's cine; knows nothing of buttons.

    Signals: ``started(n)``, ``advanced(done, n, ms_per_frame)``, ``ended(line, kind)``,
    ``asks(state, t)`` when the frame is a person's and they must say whether to replace it.
    """

    started = Signal(int)
    advanced = Signal(int, int, float)
    ended = Signal(str, str)
    asks = Signal(object, int)

    def __init__(self, session: Session, parent: QObject) -> None:
        self.session = session
        self.live = False
        self._job: _jobs.Job | None = None
        self._on: CineState | None = None  # what the job segments
        self._side_jobs: list[_jobs.Job] = []
        self._predictors: dict[tuple[str, int], Predictor] = {}
        self._settle = QTimer(parent)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._rederive_rest)
        session.frame_changed.connect(self._on_frame)
        session.cine_changed.connect(self._on_cine)
        session.models_changed.connect(self._follow_model)
        self._follow_model()

    @property
    def busy(self) -> bool:
        """Whether a segmentation is running."""
        return self._job is not None

    def run_cine(self) -> None:
        """Segment every frame; frames a person edited or decided keep their mask."""
        if self.session.state is not None and not self._is_refused():
            self._run(self.session.state, list(range(self.session.state.n_frames)))

    def run_frame(self) -> None:
        """Segment the shown frame; asks first when a person's work stands on it."""
        state, t = self.session.state, self.session.frame
        if state is None or t is None or self._is_refused():
            return
        if state.protected(t):
            self.asks.emit(state, t)
            return
        self._run(state, [t])

    def replace_frame(self, state: CineState, t: int) -> None:
        """Put a new proposal over a person's work on this frame, which comes into view; as one undoable step."""
        if state is self.session.state and not self._is_refused():
            self.session.go_to(t)
            self._run(state, [t], replace=True)

    def cancel(self) -> None:
        """Stop after the frames in flight; what is done stays."""
        if self._job is not None:
            self._job.cancel()

    def close(self) -> None:
        """Stop and hear nothing more."""
        _jobs.stop(self._settle)
        for job in (self._job, *self._side_jobs):
            if job is not None:
                job.forget()

    def set_threshold(self, value: float) -> None:
        """Re-derive masks from stored probabilities: the shown frame now, the others when the slider rests."""
        if self.session.state is not None and self.session.state.threshold != value:
            self.session.state.threshold = value
            self.session.state.chosen.add("threshold")
            self._rederive_shown()

    def set_min_size(self, value_px: int) -> None:
        """The same for the smallest piece of vessel that is kept."""
        if self.session.state is not None and self.session.state.min_size_px != value_px:
            self.session.state.min_size_px = value_px
            self.session.state.chosen.add("min_size_px")
            self._rederive_shown()

    def _is_refused(self) -> bool:
        """Whether something else than the cine is in view; told when it is."""
        reason = self.session.blocked()
        if reason:
            self.ended.emit(reason, "bad")
        return bool(reason)

    # -- running -------------------------------------------------------------------------------------------

    def _run(self, state: CineState, frames: list[int], replace: bool = False) -> None:
        model = self.session.model
        if model is None or self.busy or state.outdated:
            return
        state.ensure_mask(self.session.viewer)
        take_defaults(state, model)
        source = LenientFrames(state.cine)
        kept = [] if replace else [t for t in frames if state.protected(t)]
        began, done = time.monotonic(), 0

        def step(prediction: Prediction) -> None:
            nonlocal done
            done += 1
            self._show(state, prediction, replace)
            self.advanced.emit(done, len(frames), 1000 * (time.monotonic() - began) / done)

        def finished(_outcome: object) -> None:
            state.damaged.update(source.damaged)
            remark = self._predictor(model).remark
            line = " ".join(
                filter(None, (_done_line(done, began, kept, damaged_words(source.damaged)), remark))
            )
            self._end(state, line, "warn" if source.damaged else "good")
            self._on_frame(self.session.frame)  # where a person stopped while this ran

        def failed(problem: _jobs.Problem) -> None:
            line = f"Stopped after {done} of {len(frames)} frames." if problem.cancelled else problem.line
            self._end(state, line, "info" if problem.cancelled else "bad")

        work = self._work(model, state, source, frames)
        self.started.emit(len(frames))
        self._on = state
        self._job = _jobs.start(work, step=step, done=finished, failed=failed)

    def _work(
        self, model: Model, state: CineState, source: LenientFrames, frames: list[int]
    ) -> Callable[..., Iterator[Prediction]]:
        invert = state.inverted
        threshold, smallest = state.threshold or model.card.threshold, state.min_size_px or 0

        def work(cancelled: Callable[[], bool]) -> Iterator[Prediction]:
            predictor = self._predictor(model)
            for t, probability in predictor.segment(source, frames, invert=invert, cancelled=cancelled):
                if t in source.damaged:
                    continue
                mask = mask_from_probability(probability, threshold, smallest)
                yield Prediction(t, probability.astype(np.float16), mask, model.id)

        return work

    def _predictor(self, model: Model) -> Predictor:
        key = model.id, _settings.threads()
        if key not in self._predictors:
            self._predictors[key] = Predictor.load(model, streams=key[1])
        return self._predictors[key]

    def _show(self, state: CineState, prediction: Prediction, replace: bool) -> None:
        if replace:
            state.probabilities[prediction.t] = prediction.probability
            state.replace(prediction.t, prediction.mask, prediction.model_id)
        else:
            state.take(prediction)
        if state is self.session.state and prediction.t == self.session.frame and state.mask is not None:
            state.mask.refresh()
        self.session.marks_changed.emit(state)

    def _end(self, state: CineState, line: str, kind: str) -> None:
        self._job = self._on = None
        if state.mask is not None:
            state.mask.refresh()
        self.session.marks_changed.emit(state)
        self.ended.emit(self.session.named(state, line), kind)

    # -- re-deriving ---------------------------------------------------------------------------------------

    def _rederive_shown(self) -> None:
        state, t = self.session.state, self.session.frame
        if state is None or t is None:
            return
        if t in state.probabilities and state.propose(t, state.derived(t)):
            if state.mask is not None:
                state.mask.refresh()
            self.session.marks_changed.emit(state)
        self._settle.start()

    def _rederive_rest(self) -> None:
        state = self.session.state
        if state is None or not state.probabilities:
            return
        asked = (state.threshold, state.min_size_px)
        frames = [t for t in state.probabilities if not state.protected(t)]

        def work(cancelled: Callable[[], bool]) -> Iterator[tuple[int, np.ndarray]]:
            for t in frames:
                if cancelled():
                    return
                yield t, state.derived(t)

        def step(derived: tuple[int, np.ndarray]) -> None:
            if (state.threshold, state.min_size_px) == asked:  # else a newer wish is under way
                state.propose(*derived)

        def done(_outcome: object) -> None:
            self.session.marks_changed.emit(state)

        self._aside(_jobs.start(work, step=step, done=done, failed=lambda problem: None, visible=False))

    # -- following -----------------------------------------------------------------------------------------

    def _on_frame(self, t: int | None) -> None:
        state = self.session.state
        if not self.live or state is None or t is None or self.busy or self.session.blocked():
            return
        if not (t in state.probabilities or t in state.damaged or state.protected(t)):
            self._run(state, [t])

    def _follow_model(self) -> None:
        if self.session.model is not None:
            for state in self.session.states():
                take_defaults(state, self.session.model)

    def _on_cine(self, state: CineState | None) -> None:
        self._follow_model()
        if state is not None and not state.polarity_asked:
            self._look_at_polarity(state, state.cine)

    def _look_at_polarity(self, state: CineState, cine: Cine) -> None:
        def done(found: Polarity) -> None:
            state.polarity = found
            is_as_dark = bool(state.probabilities) or state is self._on  # or is being segmented so
            if found.bright and "inverted" not in state.chosen and not is_as_dark:
                state.inverted = True
            self.session.marks_changed.emit(state)

        def failed(problem: _jobs.Problem) -> None:
            if not problem.cancelled and state is self.session.state:
                self.ended.emit(problem.line, "bad")

        state.polarity_asked = True
        self._aside(
            _jobs.start(lambda _cancelled: polarity_of(cine), done=done, failed=failed, visible=False)
        )

    def _aside(self, job: _jobs.Job) -> None:
        self._side_jobs = [*self._side_jobs[-8:], job]


def take_defaults(state: CineState, model: Model) -> None:
    """Take the card's threshold and smallest component, each unless a person chose their own for this cine."""
    if "threshold" not in state.chosen:
        state.threshold = model.card.threshold
    if "min_size_px" not in state.chosen:
        state.min_size_px = _default_min_size_px(model, state.cine.shape[1:])


def _default_min_size_px(model: Model, shape: tuple[int, int]) -> int:
    """The card's smallest component, from its working scale to this frame's own pixels."""
    scale = max(shape) / model.card.input_size
    return round(model.card.min_component_px * scale * scale)


def _done_line(done: int, began: float, kept: list[int], left_out: str) -> str:
    text = f"{count_words(done)} in {time.monotonic() - began:.1f} s."
    if kept:
        text += f" {count_words(len(kept))} you edited or accepted kept their mask."
    return f"{text} {left_out}".strip()
