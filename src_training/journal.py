"""Edits that nobody has accepted yet, kept on this computer: what a crash leaves behind can be recovered.

One folder a cine: ``journal.json`` (whose edits, of which process), and for every edited frame a PNG and its story
(``t00002.json``: the effort so far, and what it began from). It is the user's own and never part of a workspace; a
frame that is accepted or undone leaves it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from src_training import durable
from src_training.errors import LightVesselError
from src_training.json_objects import json_bytes
from src_training.runs.process import Identity

_FACTS = "journal.json"
_FRAME = re.compile(r"t(\d{5,})\.png")
_QUICK = 1  # PNG level: labels are nearly empty, and a stroke should be on the disk soon


@dataclass(frozen=True)
class JournalFacts:
    """Which cine the edits belong to: its name on the screen, its file if it came from one, and its (T, Y, X)."""

    name: str
    source: str | None
    shape: tuple[int, int, int]
    fingerprint: str = ""
    begun_utc: str = ""

    @property
    def begun(self) -> datetime:
        """When the first edit was kept."""
        return datetime.fromisoformat(self.begun_utc)


@dataclass(frozen=True)
class Story:
    """What led to a frame's edits: active seconds, strokes, and the labels (Y, X) that they began from.

    ``before`` is None where the frame was empty; ``is_saved``: it is what the newest of the revisions ``seen`` holds,
    and else a proposal of ``model_id``. ``status`` is the frame's before the edits.
    """

    seconds: float = 0.0
    strokes: int = 0
    before: NDArray[np.uint8] | None = None
    is_saved: bool = False
    status: str = ""
    model_id: str | None = None
    seen: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """As a file of JSON."""
        before = None if self.before is None else base64.b64encode(_encoded(self.before)).decode()
        return json.dumps({**vars(self), "before": before, "seen": list(self.seen)}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Story:
        """What `to_bytes` made; ValueError and the like for anything else."""
        record: dict[str, Any] = json.loads(data)
        before, seen = record.pop("before"), record.pop("seen")
        labels = None if before is None else np.asarray(imagecodecs.png_decode(base64.b64decode(before)))
        story = cls(before=labels, seen=tuple(map(str, seen)), **record)
        if not (float(story.seconds) >= 0 and int(story.strokes) >= 0 and isinstance(story.status, str)):
            raise ValueError("no effort")
        return story


class Journal:
    """The edits of one cine by one process."""

    def __init__(self, folder: Path, facts: JournalFacts, owner: Identity) -> None:
        self.folder, self.facts, self.owner = folder, facts, owner

    def __repr__(self) -> str:
        return f"Journal({self.folder.name!r})"

    @classmethod
    def begin(cls, root: Path, facts: JournalFacts) -> Journal:
        """Make an empty journal of this process below ``root``; OSError when the disk refuses."""
        now = datetime.now(UTC)
        folder = root / f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        durable.make_dir(folder, private=True)
        os.chmod(folder, 0o700)  # the name of a file may name a patient
        journal = cls(folder, replace(facts, begun_utc=now.isoformat(timespec="seconds")), Identity.of())
        journal._write_facts()
        return journal

    @classmethod
    def open(cls, folder: Path) -> Journal:
        """Read a journal; LightVesselError when its facts cannot be read."""
        try:
            record: dict[str, Any] = json.loads((folder / _FACTS).read_bytes())
            owner = Identity.from_json(record.pop("owner"))
            frames, height, width = (int(n) for n in record.pop("shape"))
            facts = JournalFacts(shape=(frames, height, width), **record)
            if owner is None or facts.begun.tzinfo is None:
                raise ValueError("no owner or time")
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise LightVesselError(
                f"{folder.name}: the journal of unaccepted edits cannot be read ({error})."
            ) from error
        return cls(folder, facts, owner)

    def keep(self, t: int, labels: NDArray[np.uint8], story: Story | None = None) -> None:
        """Make frame ``t``'s labels (Y, X) durable, in place of earlier ones; OSError when the disk refuses."""
        if story is not None:
            durable.replace(self._story_path(t), story.to_bytes())
        durable.replace(self._path(t), _encoded(labels))

    def drop(self, t: int) -> None:
        """Frame ``t`` holds no edit any more."""
        self._path(t).unlink(missing_ok=True)
        self._story_path(t).unlink(missing_ok=True)

    def frames(self) -> list[int]:
        """The frames it holds."""
        found = (_FRAME.fullmatch(name) for name in os.listdir(self.folder))
        return sorted(t for match in found if match and (t := int(match[1])) < self.facts.shape[0])

    def labels(self, t: int) -> NDArray[np.uint8]:
        """Frame ``t``'s labels (Y, X); LightVesselError when they are damaged."""
        try:
            labels = imagecodecs.png_decode(self._path(t).read_bytes())
        except (OSError, ValueError, RuntimeError) as error:
            raise LightVesselError(f"frame {t} cannot be recovered ({error}).") from error
        if labels.shape != self.facts.shape[1:] or labels.dtype != np.uint8:
            raise LightVesselError(f"frame {t} cannot be recovered (it has another size than its cine).")
        return np.asarray(labels)

    def story(self, t: int) -> Story | None:
        """What led to frame ``t``'s edits; None where that is not known."""
        try:
            story = Story.from_bytes(self._story_path(t).read_bytes())
        except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError):
            return None
        before = story.before
        fits = before is None or (before.shape == self.facts.shape[1:] and before.dtype == np.uint8)
        return story if fits else None

    def take_over(self) -> None:
        """Make it this process's; OSError when the disk refuses, and it stays what it was."""
        before, self.owner = self.owner, Identity.of()
        try:
            self._write_facts()
        except OSError:
            self.owner = before
            raise

    def discard(self) -> None:
        """Forget all of it; what cannot be removed is left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_facts(self) -> None:
        record = asdict(self.facts) | {"owner": self.owner.to_json()}
        durable.replace(self.folder / _FACTS, json_bytes(record, indent=1))

    def _path(self, t: int) -> Path:
        return self.folder / f"t{t:05d}.png"

    def _story_path(self, t: int) -> Path:
        return self.folder / f"t{t:05d}.json"


def _encoded(labels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(labels), level=_QUICK))


def left_behind(root: Path) -> list[Journal]:
    """Journals with edits whose process is gone, the latest first; empty ones among them are removed.

    Another computer's are left alone where the folder is shared: only that one can tell whether its process runs.
    """
    found = []
    for folder in sorted(root.iterdir(), reverse=True) if root.is_dir() else []:
        try:
            journal = Journal.open(folder)
        except LightVesselError:
            continue
        if not journal.owner.is_of_this_machine or journal.owner.is_alive:
            continue
        if journal.frames():
            found.append(journal)
        else:
            journal.discard()
    return found
