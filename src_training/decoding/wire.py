"""What goes over the pipes of a decoding process: a JSON header and raw bytes, nothing that could run."""

from __future__ import annotations

import json
import struct
from typing import IO, Any

_LENGTHS = struct.Struct(">IQ")
_LARGEST_HEADER = 1 << 24


def send(pipe: IO[bytes], header: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    """Write one message."""
    text = json.dumps(header).encode()
    pipe.write(_LENGTHS.pack(len(text), len(payload)))
    pipe.write(text)
    pipe.write(payload)
    pipe.flush()


def receive(pipe: IO[bytes], largest: int) -> tuple[dict[str, Any], bytes]:
    """Read one message. EOFError when the other side has gone; ValueError when it says what no side of ours says."""
    lengths = _LENGTHS.unpack(_exactly(pipe, _LENGTHS.size))
    if lengths[0] > _LARGEST_HEADER or lengths[1] > largest:
        raise ValueError(f"a message of {lengths[0]} + {lengths[1]} bytes")
    try:
        header = json.loads(_exactly(pipe, lengths[0]))
    except RecursionError as error:
        raise ValueError("a message nested without end") from error
    if not isinstance(header, dict):
        raise ValueError("a message without a header")
    return header, _exactly(pipe, lengths[1])


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data
