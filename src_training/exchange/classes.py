"""What the classes of other programs are to us: vessel, background, not judged, or a question to whoever imports."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from src_training import durable
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.dataset.keyring import user_config_dir
from src_training.errors import DatasetError, printable
from src_training.json_objects import json_bytes
from src_training.regular import read_regular
from src_training.turns import patient_turn

Meaning = Literal["background", "vessel", "catheter", "ignore", "unknown"]
Key = TypeVar("Key", int, str)

_LARGEST_FILE = 1 << 20
_KINDS = {"vessel": VESSEL, "ignore": IGNORE, "background": 0}
_VALUES: dict[Meaning, int] = {"background": 0, "vessel": VESSEL, "catheter": IGNORE, "ignore": IGNORE}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BACKGROUND = _words("background bg empty none exterior") | {
    *("back ground", "no vessel", "no vessels", "non vessel", "clear label"),
}
_IGNORE = _words("ignore ignored unsure uncertain void unreviewed") | {"not reviewed", "dont care"}
_CATHETERS = _words(
    "catheter catheters guide guides guiding guidewire guidewires wire wires device devices sheath tip balloon stent "
    "stents lead leads pacemaker electrode electrodes"
)
_VESSELS = _words(
    "vessel vessels artery arteries arterial coronary coronaries lad lcx cx rca lca lm lmca lmt rpd pda rpl plv plb "
    "ramus diagonal diagonals obtuse marginal septal septals circumflex om om1 om2 om3 d1 d2 d3 descending syntax"
)
_FILLING = _words(
    "the of a and left right main anterior posterior interventricular intermediate branch branches "
    "blood tree segment segments proximal mid middle distal lateral inferior"
)
_LEFT_MAIN = "left main"
# The segments of the SYNTAX score, as ARCADE names its categories.
_SYNTAX = re.compile(r"(syntax ?)?([1-9]|1[0-6])[abc]?")
# What programs call a first class that nobody named.
_UNNAMED = re.compile(r"(segment|label|object|mask|foreground|segmentation|annotation)s?( ?1)?|class [0-9]+")


@dataclass(frozen=True)
class Classes:
    """What somebody said about classes (``told``: folded name → 0, 1 or 255), before what their names say."""

    told: Mapping[str, int] = field(default_factory=dict)

    def values(self, named: Mapping[Key, str], where: str, kind: str = "classes") -> dict[Key, int]:
        """Our value (0, 1, 255) of each class; DatasetError listing those that only a person can tell.

        ``where`` and ``kind`` are what the message calls the file and its classes.
        """
        found = {key: self._value(name) for key, name in named.items()}
        unknown = sorted({named[key] for key, value in found.items() if value is None})
        if _is_the_mask(unknown, found.values()):
            return {key: VESSEL if value is None else value for key, value in found.items()}
        if unknown:
            raise DatasetError(
                printable(f"{where}: {kind} that may be vessel or not: {_listed(unknown)}. {CURE}")
            )
        return {key: value for key, value in found.items() if value is not None}

    def remark(self, names: Iterable[str], where: str) -> str | None:
        """A line about what nobody was asked: catheters are not judged, a lone class without a name is vessel."""
        used = sorted(set(names))
        untold = [name for name in used if not self.knows(name) and meaning_of(name) == "catheter"]
        if untold:
            return printable(
                f"{where}: {_listed(untold)}: no vessel; not judged (255), as there is no class of it yet"
            )
        unknown = [name for name in used if self._value(name) is None]
        if _is_the_mask(unknown, map(self._value, used)):
            return printable(
                f"{where}: {unknown[0]}: taken as vessel, being the only class, which has no name"
            )
        return None

    def knows(self, name: str) -> bool:
        """Whether somebody said what this class is."""
        return _told_name(name, self.told) is not None

    def _value(self, name: str) -> int | None:
        told = _told_name(name, self.told)
        return _VALUES.get(meaning_of(name)) if told is None else self.told[told]


def _is_the_mask(unknown: list[str], values: Iterable[int | None]) -> bool:
    """Whether the one class that nobody can tell was simply never named, and nothing else is vessel."""
    return len(unknown) == 1 and VESSEL not in values and _UNNAMED.fullmatch(_folded(unknown[0])) is not None


def meaning_of(name: str) -> Meaning:
    """What a class is by its name alone: every word of it has to be known."""
    folded = _folded(name)
    words = set(folded.split())
    if folded in _BACKGROUND:
        return "background"
    if folded in _IGNORE or folded in {f"{word} vessel" for word in _IGNORE}:
        return "ignore"
    if words & _CATHETERS and words <= _CATHETERS | _FILLING:
        return "catheter"
    if (words & _VESSELS and words <= _VESSELS | _FILLING) or folded == _LEFT_MAIN:
        return "vessel"
    if _SYNTAX.fullmatch(folded):
        return "vessel"
    return "unknown"


def told_by(options: Mapping[str, str | None], file: Path | None = None) -> dict[str, int]:
    """What a person says: comma-separated names by "vessel", "ignore", "background", over what ``file`` holds.

    Raises DatasetError when a name is given two meanings, or the file is not such a record in JSON.
    """
    told = {} if file is None else _read(file)
    said: dict[str, int] = {}
    for kind, names in options.items():
        for name in filter(None, map(_folded, (names or "").split(","))):
            if said.setdefault(name, _KINDS[kind]) != _KINDS[kind]:
                raise DatasetError(printable(f"class {name!r} is given two meanings. Give it one."))
    return told | said


def remembered(dataset: str) -> dict[str, int]:
    """What this user said before about the classes of what was imported into the dataset with this uuid."""
    path = _place(dataset)
    return _read(path) if path.exists() else {}


def remember(dataset: str, told: Mapping[str, int]) -> None:
    """Keep it in the user's own configuration, as names of classes are no part of the records."""
    if not told or told == remembered(dataset):
        return
    path = _place(dataset)
    try:
        durable.make_dir(path.parent, private=True)
        with patient_turn(path.parent / ".turns", "noting down what classes are"):
            now = {**remembered(dataset), **told}  # what another process was told meanwhile stays
            record = {
                kind: sorted(name for name, value in now.items() if value == _KINDS[kind]) for kind in _KINDS
            }
            durable.replace(path, json_bytes(record, indent=1) + b"\n")
    except OSError as error:
        raise DatasetError(
            "what the classes are cannot be kept in the user's configuration folder: "
            f"{durable.cure_for(error)} LIGHTVESSEL_CONFIG_DIR chooses another folder."
        ) from error


def _place(dataset: str) -> Path:
    return user_config_dir() / "classes" / f"{dataset}.json"


def _read(path: Path) -> dict[str, int]:
    try:
        record = json.loads(read_regular(path, _LARGEST_FILE))
        return {
            _folded(name): value for kind, value in _KINDS.items() for name in _names(record.get(kind, []))
        }
    except (OSError, ValueError, RecursionError, AttributeError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "not a record of classes"
        raise DatasetError(
            f'{path.name}: {reason}. Give JSON as {{"vessel": ["name"], "ignore": [], "background": []}}.'
        ) from error


def _names(names: object) -> list[str]:
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise TypeError("no list of names")
    return names


def _told_name(name: str, told: Mapping[str, int]) -> str | None:
    """How somebody called this class; one without a name may be called by its number alone."""
    folded = _folded(name)
    number = folded.removeprefix("class ")
    return next((one for one in (folded, number if number.isdigit() else folded) if one in told), None)


def _folded(name: str) -> str:
    """For comparing: without case, accents' spelling and signs between words."""
    plain = unicodedata.normalize("NFKC", str(name)).casefold().replace("'", "")
    return " ".join(re.split(r"[\W_]+", plain)).strip()


def _listed(names: list[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


CURE = "Say what they are, by name: --vessel-classes A,B, --ignore-classes C, --background-classes D."
