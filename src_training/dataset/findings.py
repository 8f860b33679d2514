"""What a look over a dataset found: every finding has a code and a cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_RESTORE = "Restore the file from a backup"
_REPAIR = "Restore the file from a backup, or put it away: lightvessel doctor WORKSPACE --repair"
_UPDATE = "Restore dataset.json from a backup; without it nobody knows the split"
_NOTHING = "Nothing to do: it loses nothing. lightvessel doctor WORKSPACE --repair puts it away"

#: code → cure; D is damage, N a note.
CURES = {
    "D01": _UPDATE,  # dataset.json is missing or damaged
    "D02": "Restore the folder from a backup, or make it again if no frame was ever saved",  # no cases/
    "D03": "Ask for permission to read the folder, and look again",  # a folder cannot be listed
    "D04": _REPAIR,  # a record cannot be read, or was changed
    "D05": _REPAIR,  # a record says what cannot be
    "D06": _RESTORE,  # an image or mask is missing or cannot be read
    "D07": _REPAIR,  # an image or mask is not what was saved
    "D08": _RESTORE,  # the revision that another one corrects is missing
    "D09": _REPAIR,  # a snapshot cannot be read, or was changed
    "D10": _RESTORE,  # a snapshot names a revision that is missing
    # A link.
    "D11": "Put in its place what it leads to, if that is yours; else remove it. A repair leaves it alone",
    "N01": _NOTHING,  # left over from a save that was cut short
    "N02": "Look whose it is: it is not part of the dataset and is left alone",
    "N03": "Open the frame and accept what is right, or: lightvessel dataset append --resolve",  # a conflict
    "N04": "Nothing to do: the revision that it corrects was put away",
    # One picture under several patients: it could be trained on and judged by.
    "N05": "Save the wrong one again with --status rejected; until then test, else val, else train uses it alone",
}


@dataclass(frozen=True)
class Finding:
    """One finding: ``path`` is the file that it is about, where there is one; ``text`` names no folder above it."""

    code: str
    text: str
    path: Path | None = None

    @property
    def cure(self) -> str:
        """What to do."""
        return CURES[self.code]

    @property
    def is_damage(self) -> bool:
        """Whether something is lost, and not only lying around."""
        return self.code.startswith("D")


@dataclass
class VerifyReport:
    """All findings; ``problems`` are damage, ``notes`` are left-overs and conflicts, which lose nothing."""

    findings: list[Finding] = field(default_factory=list)
    cases: int = 0
    revisions: int = 0

    def add(self, code: str, text: str, path: Path | None = None) -> None:
        """Note a finding."""
        self.findings.append(Finding(code, text, path))

    @property
    def problems(self) -> list[str]:
        """The damage, a line each."""
        return list(self._lines(damage=True))

    @property
    def notes(self) -> list[str]:
        """What only lies around, a line each."""
        return list(self._lines(damage=False))

    @property
    def sound(self) -> bool:
        """No damage."""
        return not self.problems

    def _lines(self, *, damage: bool) -> Iterator[str]:
        return (one.text for one in self.findings if one.is_damage is damage)
