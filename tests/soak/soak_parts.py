"""The parts of the soak by name."""

from __future__ import annotations

import sys
from pathlib import Path

# The disks that fail on purpose and the files to damage are those of the tests.
sys.path.append(str(Path(__file__).resolve().parent.parent / "training"))

import soak_appends
import soak_gate
import soak_pickles
import soak_privacy
import soak_promotion
import soak_runs
import soak_sockets
import soak_weights
from soak_table import Part

PARTS: dict[str, Part] = {
    "appends": soak_appends.PART,
    "privacy": soak_privacy.PART,
    "promotion": soak_promotion.PART,
    "gate": soak_gate.PART,
    "weights": soak_weights.PART,
    "pickles": soak_pickles.PART,
    "runs": soak_runs.PART,
    "sockets": soak_sockets.PART,
}
