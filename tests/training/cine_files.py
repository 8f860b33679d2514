"""Files that the reading tests write: DICOM in every transfer syntax, with any tag or damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import UID, generate_uid

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
JPEG8, JPEG12 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
LOSSLESS, LOSSLESS_SV1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
JPEGLS, JPEGLS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
JPEG2000, JPEG2000_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K = "1.2.840.10008.1.2.4.201"
RLE = "1.2.840.10008.1.2.5"
MPEG4 = "1.2.840.10008.1.2.4.102"
XA = "1.2.840.10008.5.1.4.1.1.12.1"


def grey(frames: int = 3, rows: int = 48, columns: int = 64, bits: int = 8, seed: int = 0) -> np.ndarray:
    """Smooth pictures with a little noise that use the whole range of ``bits``: (T, Y, X)."""
    rng = np.random.default_rng(seed)
    ramp = np.add.outer(np.linspace(0, 0.6, rows), np.linspace(0, 0.4, columns))
    stack = np.stack([np.roll(ramp, 5 * t, axis=1) for t in range(frames)])
    values = (stack + rng.uniform(-0.03, 0.03, stack.shape)).clip(0, 1) * (2**bits - 1)
    values[:, 0, 0], values[:, 0, 1] = 0, 2**bits - 1
    return values.round().astype(np.uint8 if bits <= 8 else np.uint16)


def encode(words: np.ndarray, syntax: str, bits: int) -> bytes:
    """One (Y, X) frame of unsigned words as a codestream."""
    if syntax in (JPEG8, JPEG12):
        return imagecodecs.jpeg8_encode(words, level=97, bitspersample=8 if words.dtype == np.uint8 else 12)
    if syntax in (LOSSLESS, LOSSLESS_SV1):
        predictor = 1 if syntax == LOSSLESS_SV1 else 6
        return imagecodecs.jpeg8_encode(words, lossless=True, predictor=predictor, bitspersample=bits)
    if syntax in (JPEGLS, JPEGLS_NEAR):
        return imagecodecs.jpegls_encode(words, level=2 if syntax == JPEGLS_NEAR else 0)
    if syntax == HTJ2K:
        return imagecodecs.htj2k_encode(words)
    if syntax == RLE:
        return rle(words)
    lossy = {"level": 60} if syntax == JPEG2000_LOSSY else {"reversible": True}
    return imagecodecs.jpeg2k_encode(words, codecformat="j2k", bitspersample=bits, **lossy)


def rle(words: np.ndarray) -> bytes:
    """DICOM RLE: a header of 16 offsets, then one PackBits segment a byte plane, most significant first."""
    planes = words.astype(words.dtype.newbyteorder(">")).view(np.uint8).reshape(*words.shape, -1)
    segments = [_packbits(np.ascontiguousarray(planes[..., n])) for n in range(planes.shape[-1])]
    offsets, at = [len(segments)] + [0] * 15, 64
    for index, segment in enumerate(segments):
        offsets[index + 1] = at
        at += len(segment)
    return np.array(offsets, "<u4").tobytes() + b"".join(segments)


def dataset(
    shape: tuple[int, int, int], *, bits: int = 8, allocated: int | None = None, **tags: Any
) -> Dataset:
    """The data set of an XA object without its pixels; a tag given as None is left out."""
    ds = Dataset()
    allocated = allocated or (8 if bits <= 8 else 16)
    stated: dict[str, Any] = {
        "SOPClassUID": XA,
        "SOPInstanceUID": generate_uid(),
        "PatientID": "4711",
        "Modality": "XA",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "NumberOfFrames": shape[0],
        "Rows": shape[1],
        "Columns": shape[2],
        "BitsAllocated": allocated,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        **tags,
    }
    for keyword, value in stated.items():
        if value is not None:
            setattr(ds, keyword, value)
    return ds


def write_dicom(
    path: Path,
    words: np.ndarray,
    syntax: str = EXPLICIT,
    *,
    bits: int | None = None,
    fragments: int = 1,
    table: str = "basic",
    preamble: bool = True,
    meta: bool = True,
    pixels: bytes | None = None,
    codestreams: list[bytes] | None = None,
    **tags: Any,
) -> Path:
    """Write (T, Y, X) unsigned words as a DICOM file.

    ``table`` is basic, none or extended; ``pixels`` and ``codestreams`` replace the encoded ones.
    """
    bits = bits or words.dtype.itemsize * 8
    ds = dataset(words.shape, bits=bits, allocated=words.dtype.itemsize * 8, **tags)
    native = syntax in (IMPLICIT, EXPLICIT, BIG, DEFLATED)
    if native:
        order = ">" if syntax == BIG else "<"
        ds.PixelData = words.astype(words.dtype.newbyteorder(order)).tobytes() if pixels is None else pixels
        ds["PixelData"].VR = "OW" if words.dtype.itemsize > 1 else "OB"
    else:
        _encapsulate(ds, codestreams or [encode(frame, syntax, bits) for frame in words], fragments, table)
    ds.file_meta = FileMetaDataset()
    if meta:
        ds.file_meta.TransferSyntaxUID = UID(syntax)
        ds.file_meta.MediaStorageSOPClassUID = UID(XA)
    if preamble and meta:
        ds.save_as(path, enforce_file_format=True)
    else:
        ds.save_as(path, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG)
    return path


def say_syntax(path: Path, syntax: str) -> Path:
    """Let the file meta name this transfer syntax, whatever the data set is encoded in."""
    data, value = path.read_bytes(), syntax.encode() + b"\0" * (len(syntax) % 2)
    at = data.index(b"\x02\0\x10\0UI") + 6
    end = at + 2 + int.from_bytes(data[at : at + 2], "little")
    path.write_bytes(data[:at] + len(value).to_bytes(2, "little") + value + data[end:])
    return path


def without_a_strip(path: Path, page: int = 0) -> Path:
    """Take the third strip from a TIFF's own list of them: what tifffile then shows there is black."""
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[page].tags["StripByteCounts"]
        width, at = 4 if tag.dtype == tifffile.DATATYPE.LONG else 2, tag.valueoffset
    data = bytearray(path.read_bytes())
    data[at + 2 * width : at + 3 * width] = bytes(width)
    path.write_bytes(data)
    return path


def page_ends(path: Path) -> list[int]:
    """Where the pages of a TIFF end, all but the last: cut there, it has fewer pages, each of them whole."""
    with tifffile.TiffFile(path) as tif:
        return [page.dataoffsets[-1] + page.databytecounts[-1] for page in tif.pages][:-1]


def _encapsulate(ds: Dataset, streams: list[bytes], fragments: int, table: str) -> None:
    if table == "extended":
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(streams)
    else:
        ds.PixelData = encapsulate(streams, fragments_per_frame=fragments, has_bot=table == "basic")
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


def _packbits(plane: np.ndarray) -> bytes:
    """Literal runs and repeats, row by row, padded to even length."""
    out = bytearray()
    for row in plane:
        at = 0
        while at < len(row):
            run = 1
            while at + run < len(row) and run < 128 and row[at + run] == row[at]:
                run += 1
            if run > 1:
                out += bytes([257 - run, row[at]])
            else:
                out += bytes([0, row[at]])
            at += run
    return bytes(out) + b"\0" * (len(out) % 2)
