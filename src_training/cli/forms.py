"""Settings from the command line: the same pydantic fields that make the plugin's form."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from src_training.errors import LightVesselError

if TYPE_CHECKING:
    from src_training.training.settings import Settings


def settings_from(kind: type[Settings], values: dict[str, Any], assignments: list[str]) -> Settings:
    """Settings from values and ``field=value`` texts (values are JSON, else text; ``a.b`` reaches inside).

    Raises LightVesselError naming the field, the finding and the known fields.
    """
    from src_training.training.settings import checked

    merged = {name: _editable(value) for name, value in values.items()}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator:
            raise LightVesselError(f"--set {assignment}: expected FIELD=VALUE.")
        _assign(merged, name.split("."), _value(text))
    return checked(kind, merged)


def _editable(value: Any) -> Any:
    """A value whose inside may be assigned to without changing the caller's."""
    return value.model_dump() if isinstance(value, BaseModel) else copy.deepcopy(value)


def _assign(target: dict[str, Any], path: list[str], value: Any) -> None:
    inside = target
    for part in path[:-1]:
        inside = inside.setdefault(part, {})
        if not isinstance(inside, dict):
            raise LightVesselError(
                f"--set {'.'.join(path)}: {part} is one value, with nothing inside. Give --set {part}=VALUE."
            )
    inside[path[-1]] = value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
