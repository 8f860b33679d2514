"""A file as a ``Cine`` whose bytes only ever meet a decoder in another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from src_training import decoding
from src_training.cine.budget import unreadable
from src_training.cine.cine import (
    Calibration,
    Cine,
    Grey,
    Header,
    Instance,
    Projection,
    frame_name,
    from_facts,
)
from src_training.decoding.process import Lost

_CURE = "Export it again from the archive."


def open_apart(path: Path) -> Cine:
    """One acquisition; UnreadableCine when its reader refuses it, hangs, crashes or wants too much memory."""
    facts = ask_file(path, {"ask": "cine"}).facts
    rows = facts["header"]
    header = from_facts(Header, rows) | {
        "projection": Projection(**from_facts(Projection, rows["projection"])),
        "calibration": Calibration(**from_facts(Calibration, rows["calibration"])),
        "greys": tuple(Grey(**from_facts(Grey, grey)) for grey in rows["greys"]),
        "projections": tuple(Projection(**from_facts(Projection, angles)) for angles in rows["projections"]),
        "windows": tuple(None if window is None else tuple(window) for window in rows["windows"]),
        "instance": Instance(**from_facts(Instance, rows["instance"])),
    }
    shape, dtype, stamp = tuple(facts["shape"]), np.dtype(facts["dtype"]), tuple(facts["stamp"])
    return Cine(
        FramesApart(path.absolute(), stamp, shape, dtype),
        name=path.name,
        source=path,
        grey=Grey(**from_facts(Grey, facts["grey"])),
        header=Header(**header),
    )


@dataclass(frozen=True)
class FramesApart:
    """The frames of a file, decoded elsewhere; ``stamp`` is the size and time it had when it was opened."""

    path: Path
    stamp: tuple[int, int]
    shape: tuple[int, int, int]
    dtype: np.dtype
    _lost: dict[int, Lost] = field(default_factory=dict, compare=False, repr=False)

    def decode(self, t: int) -> np.ndarray:
        """The stored values of frame ``t``."""
        where = frame_name(self.path.name, t, self.shape[0])
        if t in self._lost:  # it cost a process and seconds: not twice
            raise _told(where, self._lost[t])
        question = {"ask": "frame", "path": str(self.path), "stamp": self.stamp, "t": t, "where": where}
        try:
            found = decoding.ask(question).array
        except Lost as lost:
            self._lost[t] = lost
            raise _told(where, lost) from lost
        assert found is not None
        return found


def ask_file(path: Path, question: dict[str, Any]) -> decoding.Answer:
    """What a decoding process says of a file; UnreadableCine also when it is lost over it."""
    try:
        return decoding.ask({**question, "path": str(path.absolute())})
    except Lost as lost:
        raise _told(path.name, lost) from lost


def _told(where: str, lost: Lost) -> Exception:
    return unreadable(where, str(lost), _CURE)
