"""The scripted tour: the whole loop through the real widget, with figures, times, screenshots and a summary."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QApplication
from skimage.measure import label, regionprops
from skimage.morphology import skeletonize

from napari_lightvessel._demo import open_segmented_sample
from napari_lightvessel._samples import SAMPLE
from src_training import synthetic_cine
from src_training.errors import LightVesselError

_SIZES = ((1366, 768), (1600, 1000))
_FRAMES_ACCEPTED = 6
_BRANCH_PX = 8  # shorter pieces are the rim of what was found already
_BRUSH_PX = 3  # as thin as the side branches that a proposal misses
_STEPS = 40  # enough to see the curve fall, few enough for a demonstration
_PATIENCE_S = {"segment": 180.0, "append": 60.0, "finetune": 1200.0, "decide": 60.0}


class Tour:
    """Runs the steps in order; one that fails is recorded and ends the tour."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.steps: list[dict[str, Any]] = []
        self._shot_training = False
        self.folder = Path(tempfile.mkdtemp(prefix="lightvessel-tour-"))
        os.environ["LIGHTVESSEL_CONFIG_DIR"] = str(self.folder / "config")  # the user's own stay as they are

    def run(self) -> int:
        """Do every step, write ``summary.json``; 0 when all went well."""
        self.output.mkdir(parents=True, exist_ok=True)
        story: tuple[tuple[str, Callable[[], str]], ...] = (
            ("open", self._open),
            ("segment", self._segment),
            ("correct", self._correct),
            ("append", self._append),
            ("finetune", self._finetune),
            ("compare", self._compare),
            ("decide", self._decide),
        )
        ok = all(self._step(name, act) for name, act in story)
        summary = json.dumps({"steps": self.steps}, indent=1, ensure_ascii=False)
        (self.output / "summary.json").write_text(summary + "\n", encoding="utf-8")
        print(f"{'done' if ok else 'FAILED'}: {self.output / 'summary.json'}", flush=True)
        if hasattr(self, "viewer"):
            self.viewer.close()
        return 0 if ok else 1

    # -- the story -----------------------------------------------------------------------------------------

    def _open(self) -> str:
        self.viewer, self.dock = open_segmented_sample()
        self._resize(*_SIZES[0])
        self._shoot("1-open")
        state = self.dock.session.state
        assert state is not None, "the sample is not on the table"
        return f"{state.n_frames} frames of {state.cine.shape[2]} x {state.cine.shape[1]}"

    def _segment(self) -> str:
        self.dock.segment.cine_button.click()
        self._wait("segment", lambda: not self.dock.segmenter.busy)
        state = self.dock.session.state
        assert state is not None
        missing = state.n_frames - len(state.probabilities)
        if missing:
            raise LightVesselError(f"{missing} frames were not segmented: {self.dock.segment.line.text()}")
        self.dock.session.go_to(self.dock.segment.spark.peak() or 0)
        self._shoot("2-segment")
        return f"{self.dock.segment.line.text()} {self.dock.segment.spark_text.text()}"

    def _correct(self) -> str:
        self.truth = synthetic_cine(**SAMPLE).masks
        state = self.dock.session.state
        assert state is not None
        best = np.argsort(self.truth.sum((1, 2)))[::-1][:_FRAMES_ACCEPTED]
        self.frames = sorted(int(t) for t in best)
        painted = sum(self._paint_missing(t) for t in self.frames)
        self._shoot("3-correct")
        return f"{painted} strokes on {len(self.frames)} frames, {len(state.edited_frames())} marked edited"

    def _append(self) -> str:
        self.dock.header.create_workspace(self.folder / "coronary-demo")
        self._wait("append", lambda: self.dock.session.workspace is not None)
        self.dock.correct.patient.setText("phantom-1")
        self.dock.correct.patient.editingFinished.emit()
        for t in self.frames:
            self.dock.session.go_to(t)
            self._spin(0.05)
            self.dock.correct.accept_button.click()
            self._wait("append", lambda: not self.dock.accepter.busy)
        said = self.dock.correct.line.text()
        if not said.startswith("Saved"):
            raise LightVesselError(said)
        self._shoot("4-append")
        assert self.dock.session.workspace is not None
        stored = len(list(self.dock.session.workspace.dataset.cases()))
        if stored != len(self.frames):
            raise LightVesselError(f"{stored} of {len(self.frames)} accepted frames are in the dataset")
        return f"{stored} cases in the dataset; {said}"

    def _finetune(self) -> str:
        train = self.dock.train
        train.settings_form()["steps"].value = _STEPS  # type: ignore[attr-defined]
        train.settings_form()["validate_every"].value = _STEPS // 2  # type: ignore[attr-defined]
        self._wait("append", lambda: train.start_button.isEnabled())
        train.start_button.click()
        self._wait("finetune", lambda: self._shot_of_training() and self._run_over())
        view = self.dock.trainer.view
        if view is None or view.state.status != "finished":
            raise LightVesselError(
                f"the run ended as {view.state.status if view else 'nothing'}: {train.verdict.text()}"
            )
        dice = " → ".join(f"{metrics['dice']:.3f}" for _step, metrics in view.state.validations)
        return f"{view.state.step} steps, validation Dice {dice}, model {view.state.model_id}"

    def _compare(self) -> str:
        view = self.dock.trainer.view
        if view is None or view.state.compared is None:
            raise LightVesselError("the run has not compared its model with the live one")
        self._shoot("6-compare")
        return self.dock.train.verdict.text().replace("\n", " ")

    def _decide(self) -> str:
        train = self.dock.train
        view = self.dock.trainer.view
        assert view is not None and view.state.compared is not None
        better = view.state.compared["decision"]["verdict"] == "promote"
        (train.promote_button if better else train.keep_button).click()
        self._wait("decide", lambda: not self.dock.trainer.waiting())
        self._shoot("7-decide")
        return train.line.text()

    # -- helpers -------------------------------------------------------------------------------------------

    def _step(self, name: str, act: Callable[[], str]) -> bool:
        began, ok = time.monotonic(), True
        try:
            figure = act()
        except Exception as error:
            figure, ok = f"{type(error).__name__}: {error}", False
            logging.exception("step %s of the tour failed", name)
        seconds = round(time.monotonic() - began, 2)
        self.steps.append({"name": name, "ok": ok, "seconds": seconds, "figure": figure})
        print(f"{'✓' if ok else '✗'} {name:<9} {seconds:7.2f} s  {figure}", flush=True)
        return ok

    def _paint_missing(self, t: int) -> int:
        """Draw along what the proposal misses on frame ``t``, branch by branch as a person would; count the strokes."""
        self.dock.session.go_to(t)
        self._spin(0.05)
        self.dock.correct.use_tool("paint")
        state = self.dock.session.state
        assert state is not None and state.mask is not None
        layer = state.mask.layer
        layer.brush_size = _BRUSH_PX
        missing = label(skeletonize((self.truth[t] == 1) & (state.labels(t) == 0)), connectivity=2)
        branches = [branch.coords for branch in regionprops(missing) if branch.area >= _BRANCH_PX]
        for branch in branches:
            with layer.block_history():  # one stroke, one step to undo
                for y, x in branch:
                    layer.paint((t, int(y), int(x)), 1)
        self._spin(0.15)
        return len(branches)

    def _run_over(self) -> bool:
        view = self.dock.trainer.view
        return view is not None and view.over

    def _shot_of_training(self) -> bool:
        view = self.dock.trainer.view
        half_way = view is not None and view.state.step > _STEPS // 2 and not view.over
        if half_way and not self._shot_training:
            self._shot_training = True
            self._shoot("5-training")
        return True

    def _shoot(self, name: str) -> None:
        for width, height in _SIZES:
            self._resize(width, height)
            self.viewer.screenshot(
                str(self.output / f"{name}-{width}x{height}.png"), canvas_only=False, flash=False
            )

    def _resize(self, width: int, height: int) -> None:
        self.viewer.window.resize(width, height)
        self._spin(0.3)
        self.viewer.reset_view()  # fill the canvas of this size, as the home button does

    def _wait(self, what: str, until: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_S[what]
        while not until():
            if time.monotonic() > end:
                raise LightVesselError(f"{what} took longer than {_PATIENCE_S[what]:.0f} s")
            self._spin(0.05)

    def _spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.01)
