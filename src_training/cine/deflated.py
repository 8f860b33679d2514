"""Deflated data sets, measured before they are unpacked: a few hundred kilobytes can promise a gigabyte."""

from __future__ import annotations

import zlib

from src_training.cine.budget import DECODED_BYTES, unreadable

_CHUNK = 1 << 22


def inflate(data: bytes, name: str) -> bytes:
    """A raw deflate stream as bytes, allocated once at its exact size.

    Raises
    ------
    UnreadableCine
        When it would exceed the budget, is cut off or is no raw deflate stream.
    """
    return zlib.decompress(data, -zlib.MAX_WBITS, _measured(data, name))


def _measured(data: bytes, name: str) -> int:
    """The inflated size, found chunk by chunk without keeping any."""
    inflater, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, data
    while not inflater.eof:
        try:
            chunk = inflater.decompress(rest, _CHUNK)
        except zlib.error:
            reason = "its data set is not a raw deflate stream, as its transfer syntax says"
            raise unreadable(name, reason, "Export it as JPEG Lossless or uncompressed.") from None
        rest, size = inflater.unconsumed_tail, size + len(chunk)
        if size > DECODED_BYTES:
            raise unreadable(name, "inflates to more than 1 GiB", "Export it as JPEG Lossless.")
        if not chunk and not rest and not inflater.eof:
            raise unreadable(name, "the deflated data is truncated", "Copy or export it again.")
    return size
