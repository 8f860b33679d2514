"""The parts of the soak by name."""

from __future__ import annotations

import sys
from pathlib import Path

# The disks that fail on purpose, the files to damage and the painters to kill are those of the tests.
sys.path.append(str(Path(__file__).resolve().parent.parent / "training"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "plugin"))

import soak_appends
import soak_archives
import soak_budgets
import soak_clocks
import soak_damage
import soak_decoders
import soak_errno
import soak_files
import soak_full
import soak_gate
import soak_identity
import soak_journal
import soak_links
import soak_odd
import soak_pickles
import soak_pixels
import soak_power
import soak_privacy
import soak_promotion
import soak_refusals
import soak_runs
import soak_saving
import soak_sockets
import soak_split
import soak_switches
import soak_texts
import soak_weights
from soak_table import Part

PARTS: dict[str, Part] = {
    "appends": soak_appends.PART,
    "clocks": soak_clocks.PART,
    "privacy": soak_privacy.PART,
    "promotion": soak_promotion.PART,
    "switches": soak_switches.PART,
    "gate": soak_gate.PART,
    "weights": soak_weights.PART,
    "pickles": soak_pickles.PART,
    "budgets": soak_budgets.PART,
    "runs": soak_runs.PART,
    "sockets": soak_sockets.PART,
    "power": soak_power.PART,
    "errno": soak_errno.PART,
    "full": soak_full.PART,
    "damage": soak_damage.PART,
    "split": soak_split.PART,
    "saving": soak_saving.PART,
    "journal": soak_journal.PART,
    "archives": soak_archives.PART,
    "links": soak_links.PART,
    "identity": soak_identity.PART,
    "files": soak_files.PART,
    "decoders": soak_decoders.PART,
    "refusals": soak_refusals.PART,
    "pixels": soak_pixels.PART,
    "odd": soak_odd.PART,
    "texts": soak_texts.PART,
}
