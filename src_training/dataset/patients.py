"""Patients as the dataset knows them: a keyed hash of the id, and the part of the split it falls into."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from typing import Literal

Bucket = Literal["train", "val", "test"]

_PLACEHOLDER = re.compile(
    r"(anon(ym(i[sz]ed|ous)?)?)?[\W_0]*"
    r"|(de-?identified|removed|redacted|unknown|undefined|unnamed|not ?available|not ?known|patient|test"
    r"|no ?(id|name)|none|null|n/?a|nan|nil|id|x+)[\W_]*"
)
_WRITTEN_AS_FRACTION = re.compile(r"([0-9]+)\.0+")  # how tables of numbers write whole ones


def known_patient(patient: str | None) -> str | None:
    """A patient id in one spelling, or None for blanks and placeholders.

    Case, width, spaces, kinds of dashes, letters that nobody sees and ``.0`` behind a number are no part of it:
    ``p12`` and ``P12`` are one patient. Taking two for one only makes a split coarser, taking one for two puts the
    same patient on both sides of it.
    """
    folded = unicodedata.normalize("NFKC", patient or "").casefold()
    plain = "".join(map(_plain, unicodedata.normalize("NFKC", folded)))
    # Letters that stood apart may have come together.
    text = " ".join(unicodedata.normalize("NFKC", plain).split())
    if number := _WRITTEN_AS_FRACTION.fullmatch(text):
        text = number[1]
    return None if _PLACEHOLDER.fullmatch(text) else text


def _plain(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind == "Pd" or letter == "\N{MINUS SIGN}":
        return "-"
    return " " if letter == "\0" else "" if kind == "Cf" else letter


def patient_key(site_key: bytes, patient: str | None) -> str | None:
    """HMAC-SHA256 of the id under the site key, 64 hex digits; None for an unknown patient."""
    known = known_patient(patient)
    return None if known is None else hmac.new(site_key, known.encode(), hashlib.sha256).hexdigest()


def bucket_of(split_salt: str, key: str | None, val_below: int = 1500, test_below: int = 3000) -> Bucket:
    """The part of the split; it depends on the patient only, so it never moves as data grows.

    ``split_salt`` is hex. Unknown patients are trained on only: they might be anyone.
    """
    if key is None:
        return "train"
    digest = hmac.new(bytes.fromhex(split_salt), key.encode(), hashlib.sha256).digest()
    place = int.from_bytes(digest, "big") % 10000
    return "val" if place < val_below else "test" if place < test_below else "train"
