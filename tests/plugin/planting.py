"""Puts a text into every place of the dock that shows something from elsewhere, by the ways on which it comes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from napari_lightvessel import _preferences
from napari_lightvessel._appending import Alike, Elsewhere, Meanwhile, Odd, Save, Whole
from napari_lightvessel._recalling import Found
from napari_lightvessel._training import RunView
from src_training.models import load_model
from src_training.runs import RunState

PLACES = {
    "error": lambda dock, text: dock.session.problem.emit("header", text),
    "file not opened": lambda dock, text: dock.session.problem.emit("file", text),
    "cine": lambda dock, text: setattr(
        dock.session.state.image, "name", text[:400].encode("utf-8", "replace").decode()
    ),
    "segmenting": lambda dock, text: dock.segmenter.ended.emit(text, "bad"),
    "model": lambda dock, text: _show_model(dock, text),
    "not saved": lambda dock, text: dock.accepter.failed.emit(text),
    "saved": lambda dock, text: dock.accepter.saved.emit(text),
    "journal": lambda dock, text: dock.journalist.trouble.emit(text),
    "saved by another": lambda dock, text: dock.recaller.overtaken.emit(
        dock.session.state, 2, SimpleNamespace(annotator=text, seq=7)
    ),
    "revision": lambda dock, text: _show_revision(dock, text),
    "pseudonym": lambda dock, text: (_preferences.put("annotator", text[:2000]), dock.correct._show_who()),
    "odd": lambda dock, text: dock.accepter.asks.emit(Odd(_save(dock, text), (text, text))),
    "strays": lambda dock, text: dock.correct.question._ask_strays(_strays(dock, text)),
    "whole": lambda dock, text: dock.accepter.asks.emit(Whole(_save(dock, text))),
    "alike": lambda dock, text: dock.accepter.asks.emit(Alike(_save(dock, text), text, text)),
    "meanwhile": lambda dock, text: dock.accepter.asks.emit(
        Meanwhile(_save(dock, text), (_head(text), _head(text)), Found(2, text))
    ),
    "elsewhere": lambda dock, text: dock.accepter.asks.emit(
        Elsewhere(_save(dock, text), _head(text), text, text)
    ),
    "left by a crash": lambda dock, text: dock.recoverer.offered.emit(_journal(text)),
    "discard": lambda dock, text: dock.recovery_bar._sure(_journal(text)),
    "training": lambda dock, text: dock.trainer.told.emit(text, "bad"),
    "run that failed": lambda dock, text: _show_run(dock, RunState(status="failed", message=text), text),
    "verdict": lambda dock, text: _show_run(
        dock, RunState(status="finished", compared=_compared(text)), text
    ),
    "promoted": lambda dock, text: dock.trainer.decided.emit("promoted", text),
    "frames that got worse": lambda dock, text: dock.losing.told.emit(text, "bad"),
}


def _rename(layer, text: str) -> None:
    layer.name = text[:400].encode("utf-8", "replace").decode()  # napari's own list takes no half letters


def _save(dock, text: str) -> Save:
    state = dock.session.state
    labels = np.zeros(state.cine.shape[1:], np.uint8)
    return Save(state, 2, "accepted", labels, state.marks[2], None, dock.session.workspace, text, text)


def _strays(dock, text: str) -> SimpleNamespace:
    return SimpleNamespace(state=dock.session.state, revisions={1: 1}, named=True, patient=text, alike=True)


def _head(text: str) -> SimpleNamespace:
    return SimpleNamespace(annotator=text, seq=3, status=text, text=text, patient_key="key", case=text)


def _journal(text: str) -> SimpleNamespace:
    return SimpleNamespace(facts=SimpleNamespace(name=text, begun=_Moment()), frames=lambda: [1, 2])


class _Moment:
    def astimezone(self) -> _Moment:
        return self

    def __format__(self, _how: str) -> str:
        return "01 Jan 12:00"


def _show_model(dock, text: str) -> None:
    model = load_model("small")
    card = model.card.model_copy(
        update={
            "name": text,
            "trained_on": text,
            "licence": text,
            "data_licence": text,
            "metrics": {text: 0.5},
        }
    )
    own = replace(model, id=f"{text[:3000]}-{'0' * 10}", card=card, builtin=False)
    dock.session._take_models(replace(dock.session.shelf, own=(own,), live=own, previous=own, warning=text))
    dock.session.choose_model(own)
    dock.segment.card_button.setChecked(True)


def _show_revision(dock, text: str) -> None:
    state = dock.session.state
    state.marks[3].status, state.marks[3].saved = "accepted", text
    dock.session.frame_decided.emit(state, 3)


def _show_run(dock, state: RunState, log: str) -> None:
    dock.train.log_button.setChecked(True)
    dock.trainer.view = RunView(None, state, log)
    dock.trainer.run_changed.emit(dock.trainer.view)


def _compared(text: str) -> dict:
    return {"decision": {"verdict": "refuse", "reasons": [text, text]}, "current": text, "candidate": text}
