"""What may be decoded at all, and the one way in which any decoder's failure becomes a line for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from src_training.errors import LightVesselError, UnreadableCine, printable

SIDE = (16, 4096)
FRAMES = (1, 5000)
DECODED_BYTES = 1 << 30


def check_size(name: str, rows: int, columns: int, bytes_per_pixel: int = 1) -> None:
    """Refuse a frame whose announced size is out of budget, before anything is decoded."""
    for what, value in (("rows", rows), ("columns", columns)):
        if not SIDE[0] <= value <= SIDE[1]:
            raise unreadable(
                name,
                f"{value} {what}; a frame has {SIDE[0]} to {SIDE[1]}",
                "Export the angiogram at its original size.",
            )
    if rows * columns * bytes_per_pixel > DECODED_BYTES:
        raise unreadable(name, "one frame would need more than 1 GiB", "Export it as 8 or 16 bit grey.")


def check_frames(name: str, frames: int) -> None:
    """Refuse a number of frames that no acquisition has."""
    if frames < FRAMES[0]:
        raise unreadable(name, f"the file announces {frames} frames", "Export the cine again.")
    if frames > FRAMES[1]:
        raise unreadable(
            name, f"{frames} frames; at most {FRAMES[1]} are read", "Split the cine into shorter runs."
        )


def unreadable(name: str, reason: str, cure: str) -> UnreadableCine:
    """The one line a person sees: which file, why, what to do."""
    return UnreadableCine(printable(f"{name}: {reason}. {cure}"))


@contextmanager
def readable(name: str, doing: str, cure: str = "Export it again from the archive.") -> Iterator[None]:
    """Turn whatever a parser or decoder raises inside the block into one ``UnreadableCine``."""
    try:
        yield
    except (LightVesselError, KeyboardInterrupt, SystemExit):
        raise
    # Codecs written in other languages raise beyond Exception (a Rust panic is a BaseException).
    except BaseException as error:
        raise unreadable(name, f"{doing} failed ({_one_line(error)})", cure) from error


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "it needs more memory than an angiogram takes"
    text = " ".join(str(error).split()) or "no details"
    return f"{type(error).__name__}: {text[:160]}"
