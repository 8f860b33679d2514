"""Which distillation terms, and how strongly: the text of ``--method``; needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from src_training.errors import LightVesselError

METHODS = (
    "fsd-map",
    "asd-window",
    "soft-kd",
    "fsd-paper",
    "asd-paper",
    "at",
    "ifv",
    "skd",
    "cwd",
    "fitnet",
)
AS_PUBLISHED = "as-published"
PRESETS = {
    "lightvessel": "fsd-map+asd-window+soft-kd:5",
    AS_PUBLISHED: "fsd-paper+asd-paper",
    "plain": "",
}
LITERAL = {
    "balance": 0.0,
    "ramp": 0.0,
}  # settings with which the paper's terms run: weights of one from the first step


@dataclass(frozen=True)
class Term:
    """A method's name and its weight."""

    name: str
    weight: float = 1.0


def parse_method(text: str) -> list[Term]:
    """``fsd-map+soft-kd:0.5``, or a preset's name, as terms; empty or ``plain`` gives none.

    Raises LightVesselError naming what is not understood and the known methods.
    """
    text = PRESETS.get(text.strip(), text.strip())
    terms = [_term(part.strip(), text) for part in text.split("+")] if text else []
    names = [term.name for term in terms]
    if len(set(names)) < len(names):
        raise LightVesselError(f"method {text!r}: a term is there twice. Give it once, with a weight.")
    return terms


def _term(part: str, text: str) -> Term:
    name, separator, weight = part.partition(":")
    known = f"Known: {', '.join(METHODS)}; or one of {', '.join(PRESETS)}."
    if name not in METHODS:
        raise LightVesselError(f"method {text!r}: {name!r} is not a distillation term. {known}")
    try:
        value = float(weight) if separator else 1.0
    except ValueError as error:
        raise LightVesselError(
            f"method {text!r}: {weight!r} is not a weight. Write for example {name}:0.5."
        ) from error
    if not (math.isfinite(value) and value > 0):
        raise LightVesselError(
            f"method {text!r}: a weight must be a positive number. Leave the term out instead."
        )
    return Term(name, value)
