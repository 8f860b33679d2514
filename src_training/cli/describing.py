"""A model's card as a person reads it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from src_training.texts import MOST_OF_RESULT, line

if TYPE_CHECKING:
    from src_training.models import Model

_WIDTH = 100
_LONGEST_NAME = 60
_LARGEST = 10.0**300  # what is beyond is no metric, and cannot be a float


def description(model: Model) -> list[str]:
    """Network, size, cost, protocol, origin and metrics, a line or a few each."""
    card = model.card
    network = card.architecture
    told = {
        "model": model.id,
        "network": f"{network.family}, {network.base_channels} channels, depth {network.depth}",
        "size": f"{card.parameters / 1e6:.3g} M parameters, {card.gflop_512:g} GFLOP at 512x512",
        "labels": card.label_protocol,
        "threshold": f"{card.threshold:g}, components from {card.min_component_px} px",
        "parent": card.parent or "",
        "teacher": card.teacher or "",
        "trained on": card.trained_on,
        "for": card.intended_use,
    }
    lines = [entry for name, text in told.items() if text for entry in _entry(name, text)]
    return [*lines, *metric_lines(card.metrics)]


def metric_lines(metrics: dict[str, Any]) -> list[str]:
    """The numbers of a card under the name of what they were measured on; curves and spreads are left to --json."""
    plain = {name: value for name, value in metrics.items() if _is_number(value)}
    lines = _entry("metrics", _numbers(plain)) if plain else []
    for name, inside in metrics.items():
        if isinstance(inside, dict):
            lines += [f"{_short(name)}:", *_table(inside)]
    return lines


def _table(inside: dict[str, Any]) -> list[str]:
    plain = {name: value for name, value in inside.items() if _is_number(value)}
    lines = (
        textwrap.wrap(_numbers(plain), _WIDTH, initial_indent="  ", subsequent_indent="  ") if plain else []
    )
    rows = {line(_short(name), _WIDTH): row for name, row in inside.items() if isinstance(row, dict)}
    width = max(map(len, rows), default=0) + 2
    return [*lines, *(f"  {name:<{width}}{_numbers(row)}" for name, row in rows.items())]


def _numbers(values: dict[str, Any]) -> str:
    shown = {name: value for name, value in values.items() if _is_number(value) and not name.endswith("_sd")}
    return "  ".join(f"{_short(name)}={value:.4g}" for name, value in shown.items())


def _short(name: str) -> str:
    """A card from elsewhere may hold names without end, and all would be as wide as the longest."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST


def _entry(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        line(text, MOST_OF_RESULT), _WIDTH, initial_indent=f"{name:<12}", subsequent_indent=" " * 12
    )
