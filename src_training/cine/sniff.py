"""What kind of file this is, from its first bytes."""

from __future__ import annotations

import re
import unicodedata
import zlib
from pathlib import Path
from typing import Literal

Kind = Literal["dicom", "tiff", "png", "jpeg", "jpeg2000", "webp", "gif", "bmp", "npy", "video"]

SUPPORTED = "DICOM, TIFF, PNG, JPEG, JPEG 2000, WebP, GIF, BMP, NPY and videos"
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
SUFFIXES = (
    *DICOM_SUFFIXES,
    *(".tif", ".tiff", ".png", ".apng", ".jpg", ".jpeg", ".jp2", ".j2k", ".jpx"),
    *(".webp", ".gif", ".bmp", ".npy"),
    *_VIDEO_SUFFIXES,
)

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\0\0\0\x0cjP  ", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\x93NUMPY", "npy"),
)

_HEAD = 512  # bytes: where a TAR says what it is, and the preamble of DICOM ends
_STILL_IN_BOXES = rb"....ftyp(avi[fs]|hei[cfmsx]|hev[cx]|mif1|msf1|crx )"
_CONTAINERS = (
    (rb"....(ftyp|moov|mdat|wide|free|skip|pnot)", "mp4"),
    (rb"\x1aE\xdf\xa3", "matroska"),
    (rb"RIFF....AVI[ X]", "avi"),
)

_NIFTI_CURE = "If it is a mask, give it as one (--mask, --masks); save a picture as TIFF or PNG."
_EXPORT = "Export the cine as DICOM, or its frames as PNG."
_OTHERS = (
    (rb"%PDF", "a PDF", "Export the cine itself, not a report."),
    (
        rb"PK\x03\x04.{26}\[Content_Types\]|\xd0\xcf\x11\xe0",
        "a document of Office",
        "Save its pictures as PNG.",
    ),
    (rb"PK\x03\x04", "a ZIP archive", "Unpack it first."),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it first."),
    (rb"Rar!\x1a\x07", "a RAR archive", "Unpack it first."),
    (rb"BZh\d1AY&SY", "a bzip2 archive", "Unpack it first."),
    (rb"\xfd7zXZ\0", "an xz archive", "Unpack it first."),
    (rb"\x28\xb5\x2f\xfd", "a zstd archive", "Unpack it first."),
    (rb".{257}ustar", "a TAR archive", "Unpack it first."),
    (_STILL_IN_BOXES, "a HEIC, AVIF or CR3 picture, a kind that is not read", "Export it as PNG."),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture, a kind that is not read", "Export it as PNG."),
    (rb"8BPS", "a Photoshop picture, a kind that is not read", "Export it as PNG or TIFF."),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a WMV video, a kind that is not read", "Convert it to MP4."),
    (rb"\0\0\x01[\xb3\xba]", "an MPEG-1 or MPEG-2 video, a kind that is not read", "Convert it to MP4."),
    (
        rb"\x5c\x01\x00\x00|\x00\x00\x01\x5c|\x1c\x02\x00\x00n[+i]2|\x00\x00\x02\x1cn[+i]2",
        "NIfTI, which is read as a mask only",
        _NIFTI_CURE,
    ),
    (rb"NRRD000", "NRRD, which is read as a mask only", _NIFTI_CURE),
    (rb"(ObjectType|NDims|Comment) *= ", "MetaImage (MHA), which is read as a mask only", _NIFTI_CURE),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file (MATLAB 7.3, NWB and others)", "Save the cine as a TIFF stack."),
    (rb"MATLAB 5\.0", "a MATLAB file", "Save the cine as a TIFF stack."),
)


def stem_of(path: Path) -> str:
    """The file's name without the suffix of a kind that is read: the last number of a UID is no suffix."""
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def same_name(name: str) -> str:
    """A name for comparing: letters with accents are one sign or two, as the computer that wrote the file has it."""
    return unicodedata.normalize("NFC", name)


def recognise(path: Path) -> Kind | None:
    """The kind of image in a regular file, or None."""
    return _kind_of(_head(path))


def container_of(path: Path) -> str | None:
    """Which container a video is, as FFmpeg calls it; None for what is no video."""
    return _container(_head(path))


def why_not(path: Path) -> tuple[str, str]:
    """Reason and cure for a file that ``recognise`` did not know."""
    head = _head(path)
    if head.startswith(b"\x1f\x8b"):
        return _why_not_gzip(_inflated(head))
    if known := _other(head):
        return known
    if path.suffix.lower() in DICOM_SUFFIXES:
        return "not DICOM inside, whatever its name says", "Copy or export it again."
    return f"not an image of a kind that is read ({SUPPORTED})", "Convert it, or choose the image itself."


def _why_not_gzip(inside: bytes) -> tuple[str, str]:
    what, cure = _other(inside) or ("", "")
    if cure == "Unpack it first.":
        return f"{what}, gzipped", cure
    if what:
        return f"gzipped {what}", cure
    if _kind_of(inside) is None:
        return (
            "a gzip archive of something that is no image of a kind that is read",
            "Choose the image itself.",
        )
    return "a gzip archive", "Unpack it first."


def _other(head: bytes) -> tuple[str, str] | None:
    found = (other for pattern, *other in _OTHERS if re.match(pattern, head, re.DOTALL))
    return next(((what, cure) for what, cure in found), None)


def _inflated(head: bytes) -> bytes:
    """What a gzip archive begins with."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error:
        return b""


def _kind_of(head: bytes) -> Kind | None:
    if head[128:132] == b"DICM":
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "bmp"
    if _container(head):
        return "video"
    return "dicom" if _starts_like_a_dataset(head) else None


def _container(head: bytes) -> str | None:
    if re.match(_STILL_IN_BOXES, head, re.DOTALL):
        return None
    return next((name for pattern, name in _CONTAINERS if re.match(pattern, head, re.DOTALL)), None)


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(_HEAD)


def _starts_like_a_dataset(head: bytes) -> bool:
    """DICOM without the preamble: the first element is of group 2 or 8, with a known VR or a sane length."""
    if len(head) < 12:
        return False
    little = head[0:2] in (b"\x02\0", b"\x08\0") and head[3] == 0
    big = head[0:2] in (b"\0\x02", b"\0\x08") and head[2] == 0
    explicit = re.match(rb"(AE|CS|DA|DT|IS|LO|OB|PN|SH|ST|TM|UI|UL|US)", head[4:6]) is not None
    implicit = int.from_bytes(head[4:8], "little") <= 1024
    return (little and (explicit or implicit)) or (big and explicit)
