"""The parts of the soak by name."""

from __future__ import annotations

import sys
from pathlib import Path

# The disks that fail on purpose, the files to damage and the painters to kill are those of the tests.
sys.path.append(str(Path(__file__).resolve().parent.parent / "training"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "plugin"))

import soak_appends
import soak_damage
import soak_errno
import soak_full
import soak_journal
import soak_power
import soak_saving
import soak_split
from soak_table import Part

PARTS: dict[str, Part] = {
    "appends": soak_appends.PART,
    "power": soak_power.PART,
    "errno": soak_errno.PART,
    "full": soak_full.PART,
    "damage": soak_damage.PART,
    "split": soak_split.PART,
    "saving": soak_saving.PART,
    "journal": soak_journal.PART,
}
