"""The parts of the soak by name."""

from __future__ import annotations

import sys
from pathlib import Path

# The disks that fail on purpose and the files to damage are those of the tests.
sys.path.append(str(Path(__file__).resolve().parent.parent / "training"))

import soak_appends
import soak_decoders
import soak_files
import soak_odd
import soak_pixels
import soak_refusals
from soak_table import Part

PARTS: dict[str, Part] = {
    "appends": soak_appends.PART,
    "files": soak_files.PART,
    "decoders": soak_decoders.PART,
    "refusals": soak_refusals.PART,
    "pixels": soak_pixels.PART,
    "odd": soak_odd.PART,
}
