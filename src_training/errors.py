"""The errors a person can act on: each carries one line that names the thing, the finding and the cure."""

from __future__ import annotations

from src_training.texts import line, printable

__all__ = [
    "BadMask",
    "Cancelled",
    "DatasetError",
    "LightVesselError",
    "ModelError",
    "NotSaved",
    "Refused",
    "RunError",
    "UnreadableCine",
    "is_out_of_memory",
    "printable",
]

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")


class LightVesselError(Exception):
    """A foreseeable problem; ``str(error)`` is one line, printable and bounded: what, which file, the cure."""

    exit_code = 2

    def __str__(self) -> str:
        # Here, since whoever quotes a file's name or a library's words may forget to.
        return line(super().__str__())


class UnreadableCine(LightVesselError):
    """A file or folder that cannot be read as an angiogram."""


class BadMask(LightVesselError):
    """A mask whose values or shape cannot be understood as vessel / background / ignore."""


class DatasetError(LightVesselError):
    """A workspace or dataset that is missing, unsound, or refuses what was asked."""


class NotSaved(DatasetError):
    """The disk of a dataset refused a frame: full, read-only, or gone; it can be kept in the outbox meanwhile."""


class ModelError(LightVesselError):
    """A model that is missing, damaged, or does not fit its card."""


class Overtaken(ModelError):
    """Somebody else has made another model active since this person looked."""


class RunError(LightVesselError):
    """A training run that cannot be started, found, resumed or cancelled."""


class Refused(LightVesselError):
    """The promotion gate said no."""

    exit_code = 3


class Cancelled(LightVesselError):
    """A person asked for the work to stop."""

    exit_code = 130


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of any library means that the computer or its GPU had no memory left."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(mark in text for mark in _NO_MEMORY)
