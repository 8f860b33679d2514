"""Bytes flipped, cut and doubled: a file opens or is refused in one line, whatever is done to it."""

from __future__ import annotations

import io

import cine_files as files
import numpy as np
import pytest
import tifffile
from PIL import Image

from src_training.cine import read_cine
from src_training.errors import UnreadableCine


def dicom(syntax, tmp_path):
    bits = 12 if syntax == files.JPEG12 else 8
    return files.write_dicom(
        tmp_path / "seed.dcm", files.grey(frames=2, bits=bits), syntax, bits=bits
    ).read_bytes()


def tiff(compression, tmp_path):
    tifffile.imwrite(
        tmp_path / "s.tif", files.grey(frames=2), photometric="minisblack", compression=compression
    )
    return (tmp_path / "s.tif").read_bytes()


def image(kind, tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(files.grey(frames=1)[0]).save(buffer, kind)
    return buffer.getvalue()


def npy(_, tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, files.grey(frames=2))
    return buffer.getvalue()


SEEDS = {
    "DICOM raw": (dicom, files.EXPLICIT),
    "DICOM implicit": (dicom, files.IMPLICIT),
    "DICOM deflated": (dicom, files.DEFLATED),
    "DICOM RLE": (dicom, files.RLE),
    "DICOM JPEG Lossless": (dicom, files.LOSSLESS_SV1),
    "DICOM JPEG": (dicom, files.JPEG8),
    "DICOM JPEG 12": (dicom, files.JPEG12),
    "DICOM JPEG-LS": (dicom, files.JPEGLS),
    "DICOM JPEG 2000": (dicom, files.JPEG2000),
    "TIFF": (tiff, None),
    "TIFF zlib": (tiff, "zlib"),
    "PNG": (image, "PNG"),
    "JPEG": (image, "JPEG"),
    "WebP": (image, "WEBP"),
    "BMP": (image, "BMP"),
    "NPY": (npy, None),
}


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        # Half of the hits fall into the first kilobyte, where the headers are.
        reach = min(len(broken), 1024) if rng.random() < 0.5 else len(broken)
        broken[rng.integers(reach)] = rng.integers(256)
    if rng.random() < 0.3:
        del broken[rng.integers(len(broken)) :]
    if rng.random() < 0.1:
        at = rng.integers(len(broken) + 1)
        broken[at:at] = rng.bytes(rng.integers(1, 64))
    return bytes(broken)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "kind"), SEEDS.values(), ids=SEEDS.keys())
def test_a_damaged_file_opens_or_is_refused_in_one_line(tmp_path, make, kind):
    data = make(kind, tmp_path)
    rng = np.random.default_rng(len(data))
    path = tmp_path / "x.dcm"
    refused = 0
    for _ in range(200):
        path.write_bytes(damaged(data, rng))
        line = refusal_of(path)
        assert line is None or (line.isprintable() and line.startswith("x.dcm"))
        refused += line is not None
    assert refused > 0


def refusal_of(path):
    """The line a file is refused with; None when it and its first frames open."""
    try:
        cine = read_cine(path)
        frames = [cine.frame(t) for t in range(min(len(cine), 2))]
    except UnreadableCine as refusal:
        return str(refusal)
    assert all(frame.shape == cine.shape[1:] for frame in frames) and np.isfinite(cine.window).all()
    return None
