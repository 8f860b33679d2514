"""Everything that is not an angiogram is refused with the file, the reason and the cure in one line."""

from __future__ import annotations

import os
import struct
import sys
import zlib

import cine_files as files
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom.uid import UID

from src_training.cine import deflated, read_cine
from src_training.cine.formats import open_file
from src_training.errors import UnreadableCine

FRAMES = files.grey(frames=4)


def kind(uid):
    """A DICOM object of another kind, without pixels."""

    def write(path):
        files.write_dicom(path, FRAMES, SOPClassUID=uid)
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


def tiff(*pages, **kind):
    def write(path):
        with tifffile.TiffWriter(path) as writer:
            for page in pages:
                writer.write(page, **{"photometric": "minisblack", **kind})

    return write


REFUSALS = {
    "structured report": (
        kind("1.2.840.10008.5.1.4.1.1.88.22"),
        "a structured report, not an angiogram. Choose",
    ),
    "encapsulated PDF": (
        kind("1.2.840.10008.5.1.4.1.1.104.1"),
        "an encapsulated document (PDF), not an angio",
    ),
    "presentation state": (kind("1.2.840.10008.5.1.4.1.1.11.1"), "a presentation state, not an angiogram"),
    "DICOMDIR": (kind("1.2.840.10008.1.3.10"), "the index of a disc (DICOMDIR), not a cine. Open the files"),
    "no pixels": (
        kind(files.XA),
        "no pixel data in this object (X-Ray Angiographic Image Storage). Choose the XA",
    ),
    "RGB capture": (
        dicom(PhotometricInterpretation="RGB", SamplesPerPixel=3),
        "a colour capture (RGB, 3 samples a pixel), not the angiogram itself. Export the original",
    ),
    "palette": (
        dicom(PhotometricInterpretation="PALETTE COLOR"),
        "a colour capture (PALETTE COLOR, 1 samples",
    ),
    "0 frames": (dicom(NumberOfFrames=0), "the file announces 0 frames. Export the cine again."),
    "5001 frames": (dicom(NumberOfFrames=5001), "5001 frames; at most 5000 are read. Split the cine"),
    "rows too many": (dicom(Rows=5000), "5000 rows; a frame has 16 to 4096. Export"),
    "columns too few": (dicom(Columns=8), "8 columns; a frame has 16 to 4096"),
    "no rows": (dicom(Rows=None), "0 rows; a frame has 16 to 4096"),
    "1 bit": (dicom(BitsAllocated=1, BitsStored=1), "1 bits allocated a pixel; 8, 16 or 32 are read"),
    "MPEG": (relabelled(files.HTJ2K, files.MPEG4), "is not supported. Export the cine as JPEG Lossless"),
    "private syntax": (relabelled(files.JPEG2000, "1.2.3.4.5"), "transfer syntax 1.2.3.4.5 is not supported"),
    "syntax lies": (
        relabelled(files.LOSSLESS_SV1, files.EXPLICIT),
        "the pixels are compressed, but the transfer",
    ),
    "truncated, raw": (cut(dicom(), 0.6), "the pixel data is truncated: "),
    "truncated, frames lost": (cut(dicom(files.RLE), 0.6), "the pixel data is truncated"),
    "frames lost": (
        streams(frames=3),
        "4 frames announced, 3 found: the pixel data is truncated or its offset",
    ),
    "JPEG cut": (streams(keep=0.7), "the JPEG data is truncated. Copy or export it again."),
    "JPEG-LS cut": (streams(keep=0.7, syntax=files.JPEGLS), "the JPEG data is truncated"),
    "JPEG 2000 cut": (streams(keep=0.7, syntax=files.JPEG2000), "decoding failed"),
    "RLE cut": (streams(keep=0.7, syntax=files.RLE), "the RLE data is truncated. Copy or export it again."),
    "lying codestream": (streams(shape=(96, 64)), "the compressed frame is 96x64x1, the header says 48x64x1"),
    "lying JPEG 2000": (
        streams(shape=(48, 99), syntax=files.JPEG2000),
        "the compressed frame is 48x99x1, the",
    ),
    "deflated, cut": (
        cut(dicom(files.DEFLATED), 0.6),
        "the deflated data is truncated. Copy or export it again.",
    ),
    "empty": (raw(b""), "the file is empty. Copy or export it again."),
    "text": (raw(b"patient,path\n1,a\n"), "not DICOM inside, whatever its name says"),
    "PDF": (raw(b"%PDF-1.7 ..."), "a PDF. Export the cine itself, not a report."),
    "GIF": (raw(b"GIF89a....."), "a GIF, which holds 8-bit colours only. Export"),
    "ZIP": (raw(b"PK\x03\x04....."), "a ZIP archive. Unpack it first."),
    "video": (raw(b"\0\0\0\x20ftypisom"), "a video. Export the cine as DICOM"),
    "169 megapixels": (raw(png_of(13000, 13000)), "13000 rows; a frame has 16 to 4096"),
    "PNG without data": (raw(png_of(64, 64)), "decoding failed"),
    "PNG cut in the header": (raw(png_of(64, 64)[:20]), "reading the header failed"),
    "JPEG file cut": (
        raw(imagecodecs.jpeg8_encode(FRAMES[0])[:-300]),
        "the JPEG data is truncated. Copy or export it again.",
    ),
    "CMYK JPEG": (
        lambda path: Image.fromarray(np.stack([FRAMES[0]] * 4, -1), "CMYK").save(path, "JPEG"),
        "a JPEG of 4 components. Save it as grey or RGB.",
    ),
    "NPY of objects": (npy(np.array([{"a": 1}]), allow_pickle=True), "reading the array failed"),
    "NPY of text": (npy(np.array([["a", "b"]])), "an array of <U1. Save integers or floats"),
    "NPY 4-D": (npy(np.zeros((2, 2, 32, 32))), "is not a frame (Y, X) or a cine (T, Y, X)"),
    "NPY cut": (cut(npy(np.zeros((9, 64, 64))), 0.5), "reading the array failed"),
    "NPY huge": (npy(np.zeros((1, 16, 5000), np.uint8)), "5000 columns; a frame has 16 to 4096"),
    "TIFF mixed sizes": (
        tiff(np.zeros((32, 32), np.uint8), np.zeros((32, 40), np.uint8)),
        "page 1 is (32, 40) uint8, page 0 is (32, 32) uint8, and one cine has one size. Save it",
    ),
    "TIFF cut": (
        cut(tiff(files.grey(1, 64, 64)[0]), 0.5),
        "the pixel data is truncated. Copy or export it again.",
    ),
    "TIFF complex": (tiff(np.zeros((32, 32), np.complex64)), "pixels of type complex64"),
    "TIFF header only": (raw(b"II*\0\x08\0\0\0"), "reading the TIFF failed"),
}


@pytest.mark.parametrize(("write", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refused_in_one_line(tmp_path, write, message):
    path = tmp_path / "thing.dcm"
    write(path)
    with pytest.raises(UnreadableCine) as refusal:
        read_cine(path).frame(0)
    line = str(refusal.value)
    assert message in line
    assert line.startswith("thing.dcm: ") and "\n" not in line and line.endswith(".")


def test_imagej_hyperstacks_of_several_channels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((3, 2, 32, 32), np.uint16), imagej=True)
    with pytest.raises(UnreadableCine, match="a cine has time, rows and columns"):
        read_cine(tmp_path / "x.tif")


def test_a_deflated_file_is_measured_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(deflated, "DECODED_BYTES", 10_000)
    path = files.write_dicom(tmp_path / "x.dcm", FRAMES, files.DEFLATED)
    with pytest.raises(UnreadableCine, match=r"x.dcm: inflates to more than 1 GiB"):
        open_file(path)
    monkeypatch.setattr(deflated, "DECODED_BYTES", 20_000)
    assert len(open_file(path)) == len(FRAMES)


def test_lying_sizes_are_refused_before_the_decoder_runs(tmp_path, monkeypatch):
    from src_training.cine import codecs

    monkeypatch.setattr(codecs, "_DECODERS", {})
    streams(shape=(96, 64))(tmp_path / "x.dcm")
    with pytest.raises(UnreadableCine, match="the compressed frame is 96x64x1"):
        open_file(tmp_path / "x.dcm").frame(0)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(UnreadableCine, match=r"gone.dcm: there is no such file. Check the path."):
        read_cine(tmp_path / "gone.dcm")


def test_a_folder_is_refused_with_the_cure(tmp_path):
    folder = tmp_path / "run.dcm"
    folder.mkdir()
    with pytest.raises(UnreadableCine, match=r"run.dcm: no angiograms directly in this folder"):
        read_cine(folder)
    files.write_dicom(folder / "a", FRAMES)
    with pytest.raises(UnreadableCine, match=r"separate acquisitions. Give one of its files.$"):
        read_cine(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file kinds")
def test_pipes_and_link_loops_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.dcm")
    with pytest.raises(UnreadableCine, match="not a regular file"):
        read_cine(tmp_path / "pipe.dcm")
    (tmp_path / "loop.dcm").symlink_to(tmp_path / "loop.dcm")
    with pytest.raises(UnreadableCine, match=r"loop.dcm: "):
        read_cine(tmp_path / "loop.dcm")


def test_unsupported_kinds_name_the_supported_ones(tmp_path):
    (tmp_path / "notes.txt").write_text("hello, this is a text")
    with pytest.raises(UnreadableCine, match="DICOM, TIFF, PNG, JPEG, WebP, BMP and NPY"):
        read_cine(tmp_path / "notes.txt")


def test_a_decoder_that_raises_beyond_exception_is_still_one_line(tmp_path, monkeypatch):
    from src_training.cine import codecs

    class Panic(BaseException):
        pass

    def panic(data):
        raise Panic("at the\ndisco")

    monkeypatch.setitem(codecs._DECODERS, "jpegls", panic)
    path = files.write_dicom(tmp_path / "x.dcm", FRAMES, files.JPEGLS)
    with pytest.raises(UnreadableCine, match=r"frame 1 of 4: decoding failed \(Panic: at the disco\)"):
        open_file(path).frame(1)


def test_a_wish_to_stop_is_not_swallowed(tmp_path, monkeypatch):
    from src_training.cine import codecs

    def stop(data):
        raise KeyboardInterrupt

    monkeypatch.setitem(codecs._DECODERS, "jpegls", stop)
    path = files.write_dicom(tmp_path / "x.dcm", FRAMES, files.JPEGLS)
    with pytest.raises(KeyboardInterrupt):
        open_file(path).frame(1)


def test_the_name_of_the_syntax_is_in_the_line(tmp_path):
    relabelled(files.HTJ2K, files.MPEG4)(tmp_path / "x.dcm")
    with pytest.raises(UnreadableCine, match="MPEG-4"):
        read_cine(tmp_path / "x.dcm")
    assert "MPEG-4" in UID(files.MPEG4).name
