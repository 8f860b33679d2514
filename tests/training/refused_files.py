"""Files that are no angiograms or damaged ones, and the exact line each is refused with.

``…`` stands for words of a library, which change with its version.
"""

from __future__ import annotations

import gzip
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cine_files as files
import imagecodecs
import numpy as np
import tifffile
from damaged_fields import data_set_at
from PIL import Image

from src_training.cine import read_cine
from src_training.errors import UnreadableCine

FRAMES = files.grey(frames=4)
NIFTI_CURE = "If it is a mask, give it as one (--mask, --masks); save a picture as TIFF or PNG."
MASK_KINDS = {
    "NIfTI": (
        struct.pack("<i", 348) + bytes(348),
        struct.pack(">i", 348) + bytes(348),
        struct.pack("<i", 540) + b"n+2\0\r\n\x1a\n",
    ),
    "NRRD": (b"NRRD0005\ntype: uchar\n",),
    "MetaImage (MHA)": (b"ObjectType = Image\nNDims = 2\n", b"NDims = 3\n"),
}
OTHER_KINDS = {
    "a HEIC, AVIF or CR3 picture, a kind that is not read": (b"\0\0\0\x18ftypheic", "Export it as PNG."),
    "a JPEG XL picture, a kind that is not read": (b"\xff\x0a\x00", "Export it as PNG."),
    "a 7z archive": (b"7z\xbc\xaf\x27\x1c\0\4", "Unpack it first."),
    "a RAR archive": (b"Rar!\x1a\x07\1\0", "Unpack it first."),
    "a TAR archive": (bytes(257) + b"ustar", "Unpack it first."),
    "a MATLAB file": (b"MATLAB 5.0 MAT-file", "Save the cine as a TIFF stack."),
    "a WMV video, a kind that is not read": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Convert it to MP4."),
    "a document of Office": (b"PK\3\4" + bytes(26) + b"[Content_Types].xml", "Save its pictures as PNG."),
}
Write = Callable[[Path], Any]


def kind(uid, **tags):
    """A DICOM object of another kind, without pixels."""

    def write(path):
        files.write_dicom(path, FRAMES, SOPClassUID=uid, **tags)
        data = path.read_bytes()
        path.write_bytes(data[: data.index(b"\xe0\x7f\x10\0")])

    return write


def dicom(syntax=files.EXPLICIT, **tags):
    return lambda path: files.write_dicom(path, FRAMES, syntax, **tags)


def relabelled(syntax, other):
    """A file whose transfer syntax says something else than its pixels."""

    def write(path):
        files.write_dicom(path, FRAMES, syntax)
        old, new = (
            value.encode().ljust(24, b"\0")[: len(syntax) + len(syntax) % 2] for value in (syntax, other)
        )
        path.write_bytes(path.read_bytes().replace(old, new.ljust(len(old), b"\0"), 1))

    return write


def cut(write, keep):
    def shortened(path):
        write(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])

    return shortened


def cut_by(write, count):
    def shortened(path):
        write(path)
        path.write_bytes(path.read_bytes()[:-count])

    return shortened


def cut_at(write, mark):
    """Cut in the middle of the element that begins so."""

    def shortened(path):
        write(path)
        data = path.read_bytes()
        path.write_bytes(data[: data.index(mark) + 6])

    return shortened


def streams(*, keep=1.0, shape=(48, 64), syntax=files.LOSSLESS_SV1, frames=4):
    """Compressed frames that are cut off or of another size than announced."""

    def write(path):
        whole = [files.encode(frame, syntax, 8) for frame in files.grey(frames, *shape)]
        cut_off = [stream[: int(len(stream) * keep)] for stream in whole]
        files.write_dicom(path, FRAMES, syntax, codestreams=cut_off)

    return write


def raw(data):
    return lambda path: path.write_bytes(data)


def png_of(width, height):
    """A valid PNG header that announces a huge picture in a few bytes."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk


def npy(array, **kind):
    return lambda path: np.save(path.open("wb"), array, **kind)


def tiff(*pages, bigtiff=False, **kind):
    def write(path):
        with tifffile.TiffWriter(path, bigtiff=bigtiff) as writer:
            for page in pages:
                writer.write(page, **{"photometric": "minisblack", **kind})

    return write


def png_bomb(path: Path) -> None:
    """169 megapixels of black in 164 kilobytes, whole and sound."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(13_001)) for _ in range(13_000)) + packer.flush()
    chunks = ((b"IDAT", rows), (b"IEND", b""))
    ends = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    path.write_bytes(png_of(13_000, 13_000) + b"".join(ends))


def deflate_bomb(path: Path) -> None:
    """A deflated data set of more than a gigabyte in one megabyte."""
    files.write_dicom(path, FRAMES, files.DEFLATED)
    data = path.read_bytes()
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(data[: data_set_at(data)] + block * 65 + packer.flush())


def linked_to(where: Callable[[tifffile.TiffFile], int]) -> Write:
    """A BigTIFF whose last page says that another one follows there."""

    def write(path: Path) -> None:
        tiff(*FRAMES, contiguous=False, bigtiff=True)(path)
        with tifffile.TiffFile(path) as tif:
            last, target = tif.pages[-1].offset, where(tif)
        data = bytearray(path.read_bytes())
        end = last + 8 + 20 * int.from_bytes(data[last : last + 8], "little")
        data[end : end + 8] = target.to_bytes(8, "little")
        path.write_bytes(data)

    return write


def animated(path: Path) -> None:
    pictures = [Image.fromarray(frame).convert("RGB") for frame in FRAMES]
    pictures[0].save(path, "WEBP", save_all=True, append_images=pictures[1:])


def animated_png(path: Path) -> None:
    pictures = [Image.fromarray(frame) for frame in FRAMES]
    pictures[0].save(path, "PNG", save_all=True, append_images=pictures[1:])


def two_images(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        for stack in (FRAMES, FRAMES[::-1]):
            writer.write(stack, photometric="minisblack", metadata={"axes": "TYX"})


def zlib_wrapped(path: Path) -> None:
    """A data set compressed with the header that zlib puts before a deflate stream."""
    files.write_dicom(path, FRAMES, files.DEFLATED)
    data = path.read_bytes()
    at = data_set_at(data)
    path.write_bytes(data[:at] + zlib.compress(zlib.decompress(data[at:], -zlib.MAX_WBITS)))


def frames_said(text: bytes) -> Write:
    """NumberOfFrames as this text."""

    def write(path: Path) -> None:
        files.write_dicom(path, FRAMES, NumberOfFrames=1234)
        path.write_bytes(path.read_bytes().replace(b"1234", text.ljust(4)))

    return write


def folder_of(*names: str) -> Write:
    def write(path: Path) -> None:
        path.mkdir()
        for name in names:
            files.write_dicom(path / name, FRAMES)

    return write


def unreadable(path: Path) -> None:
    files.write_dicom(path, FRAMES)
    path.chmod(0)


REFUSALS: dict[str, tuple[Write, str]] = {
    "structured report": (
        kind("1.2.840.10008.5.1.4.1.1.88.22"),
        "a structured report, not an angiogram. Choose the XA object of the study.",
    ),
    "encapsulated PDF": (
        kind("1.2.840.10008.5.1.4.1.1.104.1"),
        "an encapsulated document (PDF), not an angiogram. Choose the XA object of the study.",
    ),
    "presentation state": (
        kind("1.2.840.10008.5.1.4.1.1.11.1"),
        "a presentation state, not an angiogram. Choose the XA object of the study.",
    ),
    "DICOMDIR": (
        kind("1.2.840.10008.1.3.10"),
        "the index of a disc (DICOMDIR), not a cine. Open the files beside it.",
    ),
    "no pixels": (
        kind("1.2.840.10008.5.1.4.1.1.66", Rows=None),
        "no pixel data in this object (Raw Data Storage). Choose the XA object of the study.",
    ),
    "cut before the pixels": (
        kind(files.XA),
        "truncated: the file ends before its pixel data. Copy or export it again.",
    ),
    "cut in the tags": (
        cut_at(dicom(), b"\x28\0\x10\0"),
        "truncated: the file ends before its pixel data. Copy or export it again.",
    ),
    "cut in the meta": (
        cut_at(dicom(), b"\x02\0\x10\0"),
        "truncated: the file ends before its pixel data. Copy or export it again.",
    ),
    "RGB capture": (
        dicom(PhotometricInterpretation="RGB", SamplesPerPixel=3),
        "a colour capture (RGB, 3 samples a pixel), not the angiogram itself. Export the original greyscale XA object.",
    ),
    "palette": (
        dicom(PhotometricInterpretation="PALETTE COLOR"),
        "a colour capture (PALETTE COLOR, 1 samples a pixel), not the angiogram itself. "
        "Export the original greyscale XA object.",
    ),
    "0 frames": (dicom(NumberOfFrames=0), "the file announces 0 frames. Export the cine again."),
    "5001 frames": (
        dicom(NumberOfFrames=5001),
        "5001 frames; at most 5000 are read. Split the cine into shorter runs.",
    ),
    "rows too many": (
        dicom(Rows=5000),
        "5000 rows; a frame has 16 to 4096. Export the angiogram at its original size.",
    ),
    "columns too few": (
        dicom(Columns=8),
        "8 columns; a frame has 16 to 4096. Export the angiogram at its original size.",
    ),
    "no rows": (
        dicom(Rows=None),
        "0 rows; a frame has 16 to 4096. Export the angiogram at its original size.",
    ),
    "1 bit": (
        dicom(BitsAllocated=1, BitsStored=1),
        "1 bits allocated a pixel; 8, 16 or 32 are read. Export the cine as 8 or 16 bit grey.",
    ),
    "MPEG": (
        relabelled(files.HTJ2K, files.MPEG4),
        "transfer syntax MPEG-4… is not supported. Export the cine as JPEG Lossless or uncompressed.",
    ),
    "private syntax": (
        relabelled(files.JPEG2000, "1.2.3.4.5"),
        "transfer syntax 1.2.3.4.5 is not supported. Export the cine as JPEG Lossless or uncompressed.",
    ),
    "syntax lies": (
        relabelled(files.LOSSLESS_SV1, files.EXPLICIT),
        "the pixels are compressed, but the transfer syntax is Explicit VR Little Endian. Export the cine again.",
    ),
    "truncated, raw": (
        cut_by(dicom(), 5000),
        "the pixel data is truncated: 7288 bytes, 4 frame(s) need 12288. Copy or export it again.",
    ),
    "truncated, frames lost": (
        cut(dicom(files.RLE), 0.6),
        "the pixel data is truncated. Copy or export it again.",
    ),
    "frames lost": (
        streams(frames=3),
        "4 frames announced, 3 found: the pixel data is truncated or its offset table wrong. Copy or export it again.",
    ),
    "JPEG cut": (streams(keep=0.7), "frame 0 of 4: the JPEG data is truncated. Copy or export it again."),
    "JPEG-LS cut": (
        streams(keep=0.7, syntax=files.JPEGLS),
        "frame 0 of 4: the JPEG data is truncated. Copy or export it again.",
    ),
    "JPEG 2000 cut": (
        streams(keep=0.7, syntax=files.JPEG2000),
        "frame 0 of 4: decoding failed (…). Export it again from the archive.",
    ),
    "RLE cut": (
        streams(keep=0.7, syntax=files.RLE),
        "frame 0 of 4: the RLE data is truncated. Copy or export it again.",
    ),
    "lying codestream": (
        streams(shape=(96, 64)),
        "frame 0 of 4: the compressed frame is 96x64x1, the header says 48x64x1. Export the cine again.",
    ),
    "lying JPEG 2000": (
        streams(shape=(48, 99), syntax=files.JPEG2000),
        "frame 0 of 4: the compressed frame is 48x99x1, the header says 48x64x1. Export the cine again.",
    ),
    "deflated, cut": (
        cut(dicom(files.DEFLATED), 0.6),
        "the deflated data is truncated. Copy or export it again.",
    ),
    "empty": (raw(b""), "the file is empty. Copy or export it again."),
    "text": (
        raw(b"patient,path\n1,a\n"),
        "not DICOM inside, whatever its name says. Copy or export it again.",
    ),
    "PDF": (raw(b"%PDF-1.7 ..."), "a PDF. Export the cine itself, not a report."),
    "GIF": (raw(b"GIF89a....."), "the animation is truncated. Copy or export it again."),
    "ZIP": (raw(b"PK\x03\x04....."), "a ZIP archive. Unpack it first."),
    "video": (raw(b"\0\0\0\x20ftypisom"), "reading the video failed (…). Export it again from the archive."),
    "169 megapixels": (
        raw(png_of(13000, 13000)),
        "13000 rows; a frame has 16 to 4096. Export the angiogram at its original size.",
    ),
    "PNG without data": (raw(png_of(64, 64)), "decoding failed (…). Export it again from the archive."),
    "PNG cut in the header": (
        raw(png_of(64, 64)[:20]),
        "reading the header failed (…). Export it again from the archive.",
    ),
    "JPEG file cut": (
        raw(imagecodecs.jpeg8_encode(FRAMES[0])[:-300]),
        "the JPEG data is truncated. Copy or export it again.",
    ),
    "CMYK JPEG": (
        lambda path: Image.fromarray(np.stack([FRAMES[0]] * 4, -1), "CMYK").save(path, "JPEG"),
        "a JPEG of 4 components. Save it as grey or RGB.",
    ),
    "NPY of objects": (
        npy(np.array([{"a": 1}]), allow_pickle=True),
        "reading the array failed (…). Save it with numpy.save as integers or floats.",
    ),
    "NPY of text": (npy(np.array([["a", "b"]])), "an array of <U1. Save integers or floats (T, Y, X)."),
    "NPY 4-D": (
        npy(np.zeros((2, 2, 32, 32))),
        "an array of shape (2, 2, 32, 32) is not a frame (Y, X) or a cine (T, Y, X). "
        "Choose the axes that hold the cine.",
    ),
    "NPY cut": (
        cut(npy(np.zeros((9, 64, 64))), 0.5),
        "reading the array failed (…). Save it with numpy.save as integers or floats.",
    ),
    "NPY huge": (
        npy(np.zeros((1, 16, 5000), np.uint8)),
        "5000 columns; a frame has 16 to 4096. Export the angiogram at its original size.",
    ),
    "TIFF mixed sizes": (
        tiff(np.zeros((32, 32), np.uint8), np.zeros((32, 40), np.uint8)),
        "page 1 is (32, 40) uint8, page 0 is (32, 32) uint8, and one cine has one size. Save it with equal pages.",
    ),
    "TIFF cut": (
        cut(tiff(files.grey(1, 64, 64)[0]), 0.5),
        "the pixel data is truncated. Copy or export it again.",
    ),
    "TIFF complex": (
        tiff(np.zeros((32, 32), np.complex64)),
        "pixels of type complex64 with axes YX are not grey values. Save it as 8 or 16 bit grey.",
    ),
    "TIFF header only": (
        raw(b"II*\0\x08\0\0\0"),
        "reading the TIFF failed (…). Export it again from the archive.",
    ),
    "JPEG header only": (
        raw(b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        "the JPEG data has no image in it. Export it again.",
    ),
    "colour JPEG frames": (
        lambda path: files.write_dicom(
            path,
            FRAMES,
            files.JPEG8,
            codestreams=[imagecodecs.jpeg8_encode(np.stack([f] * 3, -1)) for f in FRAMES],
        ),
        "frame 0 of 4: the compressed frame is 48x64x3, the header says 48x64x1. Export the cine again.",
    ),
    "12 bits allocated": (
        dicom(BitsAllocated=12),
        "12 bits allocated a pixel; 8, 16 or 32 are read. Export the cine as 8 or 16 bit grey.",
    ),
    "frames: abc": (frames_said(b"abc"), "NumberOfFrames is 'abc', not a number. Export the cine again."),
    "frames: 2.5": (
        frames_said(b"2.5"),
        "NumberOfFrames is '2.5', not a number. Export the cine again.",
    ),
    "frames: -4": (frames_said(b"-4"), "the file announces -4 frames. Export the cine again."),
    "1x1 frame": (
        lambda path: files.write_dicom(path, np.zeros((1, 1, 1), np.uint8)),
        "1 rows; a frame has 16 to 4096. Export the angiogram at its original size.",
    ),
    "5000x5000 frame": (
        lambda path: files.write_dicom(path, np.zeros((1, 5000, 5000), np.uint8)),
        "5000 rows; a frame has 16 to 4096. Export the angiogram at its original size.",
    ),
    "PNG bomb": (png_bomb, "13000 rows; a frame has 16 to 4096. Export the angiogram at its original size."),
    "deflate bomb": (deflate_bomb, "inflates to more than 1 GiB. Export it as JPEG Lossless."),
    "animated WebP, cut": (cut(animated, 0.7), "the animation is truncated. Copy or export it again."),
    "animated PNG, cut": (cut(animated_png, 0.7), "the animation is truncated. Copy or export it again."),
    "OME-TIFF of two images": (
        two_images,
        "2 images in one file, not one cine. Save each in a file of its own.",
    ),
    "AVIF": (
        raw(b"\0\0\0\x20ftypavif"),
        "a HEIC, AVIF or CR3 picture, a kind that is not read. Export it as PNG.",
    ),
    "deflated with a zlib header": (
        zlib_wrapped,
        "its data set is not a raw deflate stream, as its transfer syntax says. "
        "Export it as JPEG Lossless or uncompressed.",
    ),
    "NPY, pickled": (
        lambda path: path.write_bytes(b"\x80\x04\x95\x0b\0\0\0\0\0\0\0]\x94(K\x01K\x02e."),
        "not DICOM inside, whatever its name says. Copy or export it again.",
    ),
    "NPY of no frames": (
        npy(np.zeros((0, 32, 32))),
        "an array of shape (0, 32, 32) is not a frame (Y, X) or a cine (T, Y, X). Choose the axes that hold the cine.",
    ),
    "TIFF, pages in a circle": (
        linked_to(lambda tif: tif.pages[0].offset),
        "the pixel data is truncated. Copy or export it again.",
    ),
    "TIFF, pages beyond its end": (
        linked_to(lambda tif: 1 << 40),
        "the pixel data is truncated. Copy or export it again.",
    ),
    "TIFF without a strip": (
        lambda path: (tiff(FRAMES[0], rowsperstrip=8)(path), files.without_a_strip(path)),
        "the pixel data is truncated. Copy or export it again.",
    ),
    "TIFF of ImageJ, cut": (
        cut_by(lambda path: tifffile.imwrite(path, FRAMES, imagej=True, truncate=True), 5000),
        "the pixel data is truncated. Copy or export it again.",
    ),
    "BigTIFF header only": (
        raw(b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"),
        "reading the TIFF failed (…). Export it again from the archive.",
    ),
    "AVI": (raw(b"RIFF\0\0\0\0AVI LIST"), "reading the video failed (…). Export it again from the archive."),
    "gzip": (
        raw(b"\x1f\x8b\x08\0"),
        "a gzip archive of something that is no image of a kind that is read. Choose the image itself.",
    ),
    "gzip of a picture": (raw(gzip.compress(png_of(64, 64))), "a gzip archive. Unpack it first."),
    "gzip of a TAR": (raw(gzip.compress(bytes(257) + b"ustar")), "a TAR archive, gzipped. Unpack it first."),
    "gzip of NIfTI": (
        raw(gzip.compress(struct.pack("<i", 348) + bytes(348))),
        "gzipped NIfTI, which is read as a mask only. If it is a mask, give it as one (--mask, --masks); "
        "save a picture as TIFF or PNG.",
    ),
    **{
        f"{what} ({number})": (raw(data), f"{what}, which is read as a mask only. {NIFTI_CURE}")
        for what, heads in MASK_KINDS.items()
        for number, data in enumerate(heads)
    },
    **{what: (raw(data), f"{what}. {cure}") for what, (data, cure) in OTHER_KINDS.items()},
    "nothing there": (lambda path: None, "there is no such file. Check the path."),
    "folder": (folder_of(), "no angiograms directly in this folder. Choose the folder that has them."),
    "folder of files": (
        folder_of("a", "b"),
        "a folder, whose files are separate acquisitions. Give one of its files.",
    ),
}
if hasattr(os, "mkfifo"):
    REFUSALS |= {
        "FIFO": (os.mkfifo, "not a regular file. Give a file on disk."),
        "device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file. Give a file on disk."),
        "link to itself": (
            lambda path: path.symlink_to(path),
            "opening failed (…). Check the file and its permissions.",
        ),
        "link to nothing": (
            lambda path: path.symlink_to("gone.dcm"),
            "there is no such file. Check the path.",
        ),
    }
    if os.geteuid() != 0:
        REFUSALS["no permission"] = (unreadable, "opening failed (…). Check the file and its permissions.")

NAMES = [
    "Zoë ангио 造影.dcm",
    "x" * 251 + ".dcm",
    "ж" * 125 + ".dcm",
    "no suffix",
    "1.2.840.113619.2.1",
    "-o.dcm",
    " a 'b' \"c\" $d;e .dcm",
    "🫀.dcm",
    *(["line\nbreak.dcm", "tab\t.dcm", os.fsdecode(b"latin-1 \xe9.dcm")] if os.name == "posix" else []),
]
"""Names of sound files, which open."""


def line_for(what: str, path: Path) -> str | None:
    """Write a file of the table to ``path``, open it and its first frame, and return the line it is refused with."""
    write, _ = REFUSALS[what]
    write(path)
    try:
        read_cine(path).frame(0)
    except UnreadableCine as refusal:
        return str(refusal)
    return None


def is_as_promised(what: str, path: Path, line: str | None) -> bool:
    """Whether ``line`` is exactly the one in the table."""
    promised = re.escape(f"{path.name}: {REFUSALS[what][1]}").replace("…", ".+")
    return line is not None and re.fullmatch(promised, line) is not None
