"""The offer to recover unaccepted edits, between the head and the sections; hidden while there is none."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_lightvessel._marks import count_words
from napari_lightvessel._parts import AskBar, TellLine
from napari_lightvessel._recovery import Recoverer
from src_training.journal import Journal


class RecoveryBar(QWidget):
    """Asks what is to become of the edits that a Recoverer found."""

    def __init__(self, recoverer: Recoverer) -> None:
        super().__init__()
        self.recoverer = recoverer
        self.ask, self.line = AskBar(), TellLine()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(6, 0, 6, 2)
        rows.addWidget(self.ask)
        rows.addWidget(self.line)
        recoverer.offered.connect(self._offer)
        recoverer.told.connect(self.line.tell)

    def _offer(self, journal: Journal | None) -> None:
        if journal is None:
            self.ask.hide()
        else:
            self.ask.ask(
                _words(journal), "Recover", "Discard…", self.recoverer.recover, lambda: self._sure(journal)
            )

    def _sure(self, journal: Journal) -> None:
        question = f"Discard the unaccepted edits of {journal.facts.name} for good?"
        self.ask.ask(question, "Discard", "Keep them", self.recoverer.discard, self.recoverer.offer)


def _words(journal: Journal) -> str:
    facts, frames = journal.facts, count_words(len(journal.frames()))
    when = f"{facts.begun.astimezone():%d %b %H:%M}"
    return f"napari ended with edits on {frames} of {facts.name} that nobody accepted ({when})."
