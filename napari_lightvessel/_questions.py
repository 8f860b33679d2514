"""Questions of Correct, one after the other: somebody saved meanwhile, another patient's, and under which name."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from napari_lightvessel import _preferences
from napari_lightvessel._accepting import Accepter
from napari_lightvessel._appending import Alike, Elsewhere, Meanwhile, Odd, Question, Whole
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._marks import WORDS, count_words
from napari_lightvessel._parts import AskBar, bring_into_sight
from napari_lightvessel._taking_back import Strays, TakeBack
from src_training import Workspace
from src_training.errors import LightVesselError

_Asked: TypeAlias = Question | Strays


class QuestionBar(AskBar):
    """What has to be answered before a frame is saved, or what would better be answered; Cancel changes nothing."""

    def __init__(self, accepter: Accepter, take_back: TakeBack) -> None:
        super().__init__()
        self.accepter, self.take_back = accepter, take_back
        self.later.setText("Cancel")
        self._waiting: deque[_Asked] = deque()
        self._present: _Asked | None = None
        accepter.asks.connect(self.put)
        take_back.asks.connect(self.put)
        accepter.session.frame_decided.connect(self._on_decided)
        accepter.session.workspace_changed.connect(self._on_workspace)

    def put(self, question: _Asked) -> None:
        """Ask this after what is being asked, and in place of an earlier question about the same.

        Frames to be moved can wait: a frame that somebody wants to save now would wait unseen behind them.
        """
        about, present = _about(question), self._present
        stays = present is not None and not isinstance(present, Strays) and _about(present) != about
        again = [present] if present is not None and not stays else []
        others = [one for one in (*again, *self._waiting) if _about(one) != about]
        self._waiting = deque(sorted((*others, question), key=lambda one: isinstance(one, Strays)))
        if not stays:
            self._next()

    def _on_decided(self, state: CineState, t: int) -> None:
        """Another decision about a frame is on its way: what was asked about the former one is past."""
        if state.marks[t].saving:
            self._drop(
                lambda one: not isinstance(one, Strays) and one.save.state is state and one.save.t == t
            )

    def _on_workspace(self, workspace: Workspace | None) -> None:
        """No answer may go into a dataset that is not in view."""
        here = workspace.path if workspace is not None else None
        self._drop(lambda one: _workspace_of(one).path != here)

    def _drop(self, is_past: Callable[[_Asked], bool]) -> None:
        self._waiting = deque(one for one in self._waiting if not is_past(one))
        if self._present is not None and is_past(self._present):
            self._next()

    def _next(self) -> None:
        question = self._waiting.popleft() if self._waiting else None
        if isinstance(question, Strays):
            question = self.take_back.still_strays(question)
            if question is None:
                self._next()
                return
        self._present = question
        if isinstance(question, Whole):
            self._ask_whole(question)
        elif isinstance(question, Alike):
            self._ask_alike(question)
        elif isinstance(question, Odd):
            self._ask_odd(question)
        elif isinstance(question, Meanwhile):
            self._ask_meanwhile(question)
        elif isinstance(question, Elsewhere):
            self._ask_elsewhere(question)
        elif isinstance(question, Strays):
            self._ask_strays(question)
        else:
            self.hide()

    def _ask_whole(self, question: Whole) -> None:
        self._pose(
            f"{_frame_of(question)} was accepted inside a region only. Outside of it nothing was reviewed: what is not "
            "marked there would be saved as no vessel. Save the whole frame?",
            ("Save the whole", lambda: self.accepter.save_whole(question)),
            ("Look again", lambda: self.accepter.session.look_at(question.save.state, question.save.t)),
        )

    def _ask_alike(self, question: Alike) -> None:
        def answer(save: Callable[[Alike], None]) -> None:
            """It is about the patient: so for all frames of that one that are to be asked about."""
            same = [one for one in self._waiting if isinstance(one, Alike) and _who(one) == _who(question)]
            for one in (question, *same):  # which is past once it is being saved
                save(one)

        self._pose(
            f"{_frame_of(question)}: the patient {question.patient} and {question.known}, who is in this dataset, "
            "differ in leading zeros only. One patient, or two?",
            (f"One: {question.known}", lambda: answer(self.accepter.save_same)),
            ("They are two", lambda: answer(self.accepter.save_distinct)),
        )

    def _ask_odd(self, question: Odd) -> None:
        self._pose(
            f"{_frame_of(question)}, its mask: {'; '.join(question.findings)}. Save it all the same?",
            ("Save it", lambda: self.accepter.save_odd(question)),
            ("Look again", lambda: self.accepter.session.look_at(question.save.state, question.save.t)),
        )

    def _ask_meanwhile(self, question: Meanwhile) -> None:
        self._pose(
            f"{_frame_of(question)} was saved meanwhile: {_who_and_what(question)}. It is not the mask of this window.",
            ("Save mine", lambda: self.accepter.save_mine(question)),
            ("Look at it", lambda: self.accepter.show_theirs(question)),
        )

    def _ask_elsewhere(self, question: Elsewhere) -> None:
        head = question.revision
        under = "under another patient" if head.patient_key else "without a patient"
        called = f", {question.label}" if question.label else ""
        self._pose(
            f"{_frame_of(question)}: this picture was saved before {under} (case {head.text}{called}). "
            f"Move it to {question.patient}?",
            ("Move it", lambda: self.accepter.save_moved(question)),
            ("Keep both", lambda: self.accepter.save_apart(question)),
        )

    def _ask_strays(self, question: Strays) -> None:
        many = len(question.revisions) != 1
        under = "under another patient" if question.named else "without a patient"
        alike = " Another id in this dataset differs from it in leading zeros only." if question.alike else ""
        self._pose(
            f"{count_words(len(question.revisions))} of {question.state.image.name} {'were' if many else 'was'} saved "
            f"before {under}. Move {'them' if many else 'it'} to {question.patient}?{alike}",
            ("Move them" if many else "Move it", lambda: self.take_back.move(question)),
            ("Leave them" if many else "Leave it", lambda: None),
        )

    def _pose(self, text: str, yes: tuple[str, Callable[[], Any]], no: tuple[str, Callable[[], Any]]) -> None:
        def then(act: Callable[[], Any]) -> Callable[[], None]:
            def go_on() -> None:
                self._present = None
                act()
                if self._present is None:  # else the answer raised the next question
                    self._next()

            return go_on

        self.ask(text, yes[0], no[0], then(yes[1]), then(no[1]), later=then(lambda: None))
        bring_into_sight(self)


class NameBar(AskBar):
    """Under which pseudonym this person's work is recorded: asked once, and whenever they want."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed
        self.reason.setPlaceholderText("a pseudonym, such as reader-1; never a patient's name")
        self.reason.setAccessibleName("Your pseudonym")
        self.reason.returnPressed.connect(self.yes.click)

    def ask_once(self) -> None:
        """After the first frame that was saved as nobody's."""
        if not _preferences.annotator() and not _preferences.get("annotator_asked"):
            _preferences.put("annotator_asked", True)
            self._put(
                "Saved as unnamed. Under which pseudonym are your frames and decisions recorded?",
                unasked=True,
            )

    def open(self, question: str = "Under which pseudonym are your frames and decisions recorded?") -> None:
        """Ask now."""
        self._put(question, unasked=False)

    def _put(self, question: str, *, unasked: bool) -> None:
        self.ask(question, "Use it", "Stay unnamed", self._use, self._stay, reason="welcome", unasked=unasked)
        self.reason.setText(_preferences.annotator())

    def _use(self) -> None:
        self._choose(" ".join(self.reason.text().split()))

    def _stay(self) -> None:
        self._choose("")

    def _choose(self, name: str) -> None:
        try:
            _preferences.choose_annotator(name)
        except LightVesselError as error:
            self.open(str(error))
            return
        self._changed()


def _frame_of(question: Question) -> str:
    return f"{question.save.label}, frame {question.save.t}"


def _who(question: Alike) -> tuple[Path, str]:
    return question.save.workspace.path, question.patient


def _workspace_of(question: _Asked) -> Workspace:
    return question.workspace if isinstance(question, Strays) else question.save.workspace


def _about(question: _Asked) -> tuple[int, int]:
    """The cine and its frame; -1: several frames."""
    if isinstance(question, Strays):
        return id(question.state), -1
    return id(question.save.state), question.save.t


def _who_and_what(question: Meanwhile) -> str:
    said = [
        f"revision {head.seq} by {head.annotator or 'somebody unnamed'} ({WORDS.get(head.status, head.status)})"
        for head in question.heads
    ]
    return " and ".join(said) + (", which contradict each other" if len(said) > 1 else "")
