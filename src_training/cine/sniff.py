"""What kind of file this is, from its first bytes."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Literal

Kind = Literal["dicom", "tiff", "png", "jpeg", "webp", "bmp", "npy"]

SUPPORTED = "DICOM, TIFF, PNG, JPEG, WebP, BMP and NPY"
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
SUFFIXES = (*_DICOM_SUFFIXES, ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".npy")

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x93NUMPY", "npy"),
)

_OTHERS = (
    (rb"%PDF", "a PDF", "Export the cine itself, not a report."),
    (rb"GIF8", "a GIF, which holds 8-bit colours only", "Export the cine as DICOM or TIFF."),
    (rb"PK\x03\x04", "a ZIP archive", "Unpack it first."),
    (rb"\x1f\x8b", "a gzip archive", "Unpack it first."),
    (rb"....ftyp(avi[fs]|hei[cfx]|mif1)", "a still image of a kind that is not read", "Export it as PNG."),
    (rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", "a video", "Export the cine as DICOM, or its frames as PNG."),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 file outside DICOM", "Convert it to PNG or TIFF."),
)


def stem_of(path: Path) -> str:
    """The file's name without the suffix of a kind that is read: the last number of a UID is no suffix."""
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def same_name(name: str) -> str:
    """A name for comparing: letters with accents are one sign or two, as the computer that wrote the file has it."""
    return unicodedata.normalize("NFC", name)


def recognise(path: Path) -> Kind | None:
    """The kind of image in a regular file, or None."""
    head = _head(path)
    if head[128:132] == b"DICM":
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "bmp"
    return "dicom" if _starts_like_a_dataset(head) else None


def why_not(path: Path) -> tuple[str, str]:
    """Reason and cure for a file that ``recognise`` did not know."""
    head = _head(path)
    for pattern, what, cure in _OTHERS:
        if re.match(pattern, head, re.DOTALL):
            return what, cure
    if path.suffix.lower() in _DICOM_SUFFIXES:
        return "not DICOM inside, whatever its name says", "Copy or export it again."
    return f"not an image of a kind that is read ({SUPPORTED})", "Convert it, or choose the image itself."


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(132)


def _starts_like_a_dataset(head: bytes) -> bool:
    """DICOM without the preamble: the first element is of group 2 or 8, with a known VR or a sane length."""
    if len(head) < 12:
        return False
    little = head[0:2] in (b"\x02\0", b"\x08\0") and head[3] == 0
    big = head[0:2] in (b"\0\x02", b"\0\x08") and head[2] == 0
    explicit = re.match(rb"(AE|CS|DA|DT|IS|LO|OB|PN|SH|ST|TM|UI|UL|US)", head[4:6]) is not None
    implicit = int.from_bytes(head[4:8], "little") <= 1024
    return (little and (explicit or implicit)) or (big and explicit)
