"""One compressed frame to stored values, after its own header has agreed with the file's."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import imagecodecs
import numpy as np

from src_training.cine.budget import unreadable
from src_training.cine.dicom_tags import PixelLayout


@dataclass(frozen=True)
class StreamHeader:
    """What a codestream says about itself before any pixel is decoded."""

    codec: str
    rows: int
    columns: int
    components: int
    bits: int


def decode_frame(codestream: bytes, layout: PixelLayout, name: str, *, lossy: bool = False) -> np.ndarray:
    """A JPEG, JPEG Lossless, JPEG-LS, JPEG 2000 or RLE frame → (Y, X) stored values.

    Parameters
    ----------
    codestream : bytes
        One whole frame; which codec it is, is read from the stream itself.
    layout : PixelLayout
        What the DICOM header announced.
    name : str
        How messages call the frame.
    lossy : bool
        Values may overshoot BitsStored; they are clipped, since masking would wrap white to black.

    Raises
    ------
    UnreadableCine
        When the stream disagrees with the layout or is cut off.
    """
    header = stream_header(codestream, name)
    if header is None:
        return unpack(_decode_rle(codestream, layout, name), layout)
    if (header.rows, header.columns, header.components) != (layout.rows, layout.columns, 1):
        raise unreadable(
            name,
            f"the compressed frame is {header.rows}x{header.columns}x{header.components}, "
            f"the header says {layout.rows}x{layout.columns}x1",
            "Export the cine again.",
        )
    if header.bits > layout.bits_allocated:
        raise unreadable(
            name,
            f"the compressed frame has {header.bits} bits, the header allocates {layout.bits_allocated}",
            "Export the cine again.",
        )
    words = _DECODERS[header.codec](codestream)
    if lossy and (words.dtype.kind == "i") == layout.signed and layout.high_bit < layout.bits_stored:
        words = np.clip(words, *layout.span)
    return unpack(words, layout, aligned=header.bits <= layout.bits_stored)


def decode_jpeg(data: bytes) -> np.ndarray:
    """An image file of the JPEG family as its numbers, by the codec that its own header names."""
    return _DECODERS[jpeg_header(data, "the file").codec](data)


def decode_jpeg2000(data: bytes) -> np.ndarray:
    """A JPEG 2000 file (JP2, or the codestream alone) as its numbers."""
    return _DECODERS["jpeg2000"](data)


def jpeg2000_header(data: bytes, name: str) -> StreamHeader:
    """What the codestream of a JPEG 2000 file says; colours that would need a conversion are refused."""
    if data.startswith(b"\xff\x4f\xff\x51"):
        return _jpeg2000_header(data, name)
    if b"colr\x01\0\0\0\0\0\x12" in data[:65536]:
        raise unreadable(name, "a JPEG 2000 of luminance and chroma", "Save it as grey or RGB.")
    start = data.find(b"jp2c") + 4
    at = data.find(b"\xff\x4f\xff\x51", start, start + 12) if start > 3 else -1
    if at < 0:
        raise unreadable(name, "the JPEG 2000 data is truncated", "Copy or export it again.")
    return _jpeg2000_header(data[at:], name)


def unpack(words: np.ndarray, layout: PixelLayout, *, aligned: bool = False) -> np.ndarray:
    """Words of BitsAllocated → stored values: overlay bits masked off, the sign extended from HighBit."""
    if words.dtype != layout.word:
        words = words.astype(np.int64).astype(layout.word)
    shift = 0 if aligned else layout.high_bit + 1 - layout.bits_stored
    if shift:
        words = words >> words.dtype.type(shift)
    if layout.bits_stored < layout.bits_allocated:
        words = words & words.dtype.type((1 << layout.bits_stored) - 1)
    if not layout.signed:
        return words
    sign = words.dtype.type(1 << (layout.bits_stored - 1))
    # Two's complement: flipping the sign bit and subtracting it wraps to the negative value.
    return ((words ^ sign) - sign).view(layout.dtype)


def stream_header(data: bytes, name: str) -> StreamHeader | None:
    """The header of a codestream, or None when it is none of the JPEG family (RLE has no header to trust)."""
    if data[:2] == b"\xff\xd8":
        return jpeg_header(data, name)
    start = 0 if data[:4] == b"\xff\x4f\xff\x51" else data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start == 0 or (start > 0 and data[4:8] == b"jP  "):
        return _jpeg2000_header(data[start:], name)
    return None


def jpeg_header(data: bytes, name: str) -> StreamHeader:
    """Size and codec from the frame header of a JPEG family stream; a stream cut off is refused."""
    frame, at = None, 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            break
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 0x01:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:
            return _with_its_end(frame, data, at, name)
        if marker in _JPEG_CODECS and at + 10 <= len(data):
            bits, rows, columns, components = struct.unpack(">BHHB", data[at + 4 : at + 10])
            frame = StreamHeader(_JPEG_CODECS[marker], rows, columns, components, bits)
        at += 2 + length
    raise unreadable(name, "the JPEG data has no image in it", "Export it again.")


def _with_its_end(frame: StreamHeader | None, data: bytes, scan_at: int, name: str) -> StreamHeader:
    if frame is None:
        raise unreadable(name, "a kind of JPEG that is not supported", "Export it as JPEG Lossless.")
    # libjpeg fills what is missing with grey and only warns: a mask must not be drawn on that.
    if data.rfind(b"\xff\xd9") < scan_at:
        raise unreadable(name, "the JPEG data is truncated", "Copy or export it again.")
    return frame


def _jpeg2000_header(data: bytes, name: str) -> StreamHeader:
    try:
        x1, y1, x0, y0 = struct.unpack(">IIII", data[8:24])
        components, bits = struct.unpack(">HB", data[40:43])
    except struct.error:
        raise unreadable(name, "the JPEG 2000 data is truncated", "Copy or export it again.") from None
    return StreamHeader("jpeg2000", y1 - y0, x1 - x0, components, (bits & 0x7F) + 1)


def _decode_rle(codestream: bytes, layout: PixelLayout, name: str) -> np.ndarray:
    width = layout.bits_allocated // 8
    segments = int.from_bytes(codestream[:4], "little")
    expected = layout.rows * layout.columns * width
    if segments != width:
        raise unreadable(
            name,
            f"{segments} RLE segments, a {layout.bits_allocated}-bit grey frame has {width}",
            "Export it again.",
        )
    decoded = imagecodecs.dicomrle_decode(codestream, layout.word.newbyteorder("<"))
    if len(decoded) < expected:
        raise unreadable(name, "the RLE data is truncated", "Copy or export it again.")
    words = np.frombuffer(decoded, layout.word.newbyteorder("<"), layout.rows * layout.columns)
    return words.reshape(layout.rows, layout.columns).astype(layout.word)


_JPEG_CODECS = {
    **dict.fromkeys((0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA), "jpeg"),
    0xF7: "jpegls",
}

# libjpeg-turbo 3 decodes 8- and 12-bit lossy and 2- to 16-bit lossless streams.
_DECODERS = {
    "jpeg": imagecodecs.jpeg8_decode,
    "jpegls": imagecodecs.jpegls_decode,
    "jpeg2000": lambda data: imagecodecs.jpeg2k_decode(data, numthreads=1),
}
