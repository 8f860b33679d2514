"""Sound files of every kind that is read, for damage."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import cine_files as files
import imagecodecs
import numpy as np
import SimpleITK
import tifffile
from damaged_fields import Field, data_set_at, fields_of, with_checksums
from PIL import Image

_GREY = files.grey(frames=1)[0]
_STACK = files.grey(frames=3)
_TURNED = Image.Exif()
_TURNED[274] = 6
_DEEP = files.grey(frames=3, bits=12)
# Of whole blocks, so that JPEG keeps it.
_MASK = np.kron(_GREY[::8, ::8] > 150, np.ones((8, 8), np.uint8)).astype(np.uint8)


def _as_it_is(data: bytes) -> bytes:
    return data


@dataclass(frozen=True)
class Seed:
    """A sound file; ``finish`` is done to it after the damage, so that the damage is met further in.

    ``ending`` is that of its name, where the kind is told by it.
    """

    write: Callable[[Path], Any]
    finish: Callable[[bytes], bytes] = _as_it_is
    prepare: Callable[[bytes], bytes] = _as_it_is
    ending: str = ".dcm"

    @cached_property
    def data(self) -> bytes:
        """The file's bytes, before ``finish``."""
        return self.prepare(self._whole)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Where ``data`` says how large it is."""
        return fields_of(self._whole)

    @cached_property
    def _whole(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"seed{self.ending}"
            self.write(path)
            return path.read_bytes()


def _dicom(syntax: str, bits: int = 8, **kind: Any) -> Seed:
    tags = {
        "RescaleSlope": "2.5",
        "RescaleIntercept": "-100.5",
        "WindowCenter": "128.0",
        "WindowWidth": "256",
    }
    tags |= {
        "CineRate": "15",
        "PositionerPrimaryAngle": "-30.50",
        "PhotometricInterpretation": "MONOCHROME1",
    }
    words = files.grey(frames=2, bits=bits)
    return Seed(
        lambda path: files.write_dicom(path, words, syntax, bits=bits, PixelPaddingValue=0, **tags), **kind
    )


def _tiff(pixels: np.ndarray, **options: Any) -> Seed:
    options = {"photometric": "minisblack", **options}
    return Seed(lambda path: tifffile.imwrite(path, pixels, **options))


def _image(kind: str, pixels: np.ndarray = _GREY, mode: str = "L", **options: Any) -> Seed:
    def write(path: Path) -> None:
        Image.fromarray(pixels).convert(mode).save(path, kind, **options)

    return Seed(write, finish=with_checksums if kind == "PNG" else _as_it_is)


def _animated(kind: str, pixels: np.ndarray = _STACK, mode: str = "L", **options: Any) -> Seed:
    def write(path: Path) -> None:
        pages = [Image.fromarray(page).convert(mode) for page in pixels]
        pages[0].save(path, kind, save_all=True, append_images=pages[1:], duration=60, **options)

    return Seed(write, finish=with_checksums if kind == "PNG" else _as_it_is)


def _jpeg2000(codec: str, pixels: np.ndarray) -> Seed:
    return Seed(
        lambda path: path.write_bytes(imagecodecs.jpeg2k_encode(pixels, codecformat=codec, reversible=True))
    )


def _film(container: str, codec: str) -> Seed:
    def write(path: Path) -> None:
        with av.open(path.open("wb"), "w", format=container) as film:
            stream = film.add_stream(codec, rate=15)
            stream.height, stream.width, stream.pix_fmt = *_STACK.shape[1:], "yuv420p"
            for page in _STACK:
                film.mux(stream.encode(av.VideoFrame.from_ndarray(page, format="gray")))
            film.mux(stream.encode())

    return Seed(write)


def _npy(array: np.ndarray) -> Seed:
    return Seed(lambda path: np.save(path.open("wb"), array))


def _volume(ending: str, mask: np.ndarray, compressed: bool = False) -> Seed:
    def write(path: Path) -> None:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(mask), str(path), compressed)

    return Seed(write, ending=ending)


def _deflated(data: bytes) -> bytes:
    deflater, at = zlib.compressobj(wbits=-zlib.MAX_WBITS), data_set_at(data)
    return data[:at] + deflater.compress(data[at:]) + deflater.flush()


def _inflated(data: bytes) -> bytes:
    return data[: data_set_at(data)] + zlib.decompress(data[data_set_at(data) :], -zlib.MAX_WBITS)


CINES = {
    "DICOM raw": _dicom(files.EXPLICIT),
    "DICOM implicit": _dicom(files.IMPLICIT, 12),
    "DICOM big endian": _dicom(files.BIG, 12),
    "DICOM deflated": _dicom(files.DEFLATED),
    "DICOM deflated, inside": _dicom(files.DEFLATED, finish=_deflated, prepare=_inflated),
    "DICOM RLE": _dicom(files.RLE, 12),
    "DICOM JPEG Lossless": _dicom(files.LOSSLESS_SV1, 12),
    "DICOM JPEG": _dicom(files.JPEG8),
    "DICOM JPEG 12": _dicom(files.JPEG12, 12),
    "DICOM JPEG-LS": _dicom(files.JPEGLS),
    "DICOM JPEG 2000": _dicom(files.JPEG2000, 12),
    "DICOM HTJ2K": _dicom(files.HTJ2K),
    "TIFF": _tiff(_STACK),
    "TIFF big endian": _tiff(_DEEP, byteorder=">"),
    "TIFF zlib": _tiff(_DEEP, compression="zlib", predictor=True),
    "TIFF LZW": _tiff(_STACK, compression="lzw"),
    "TIFF PackBits": _tiff(_STACK, compression="packbits"),
    "TIFF JPEG": _tiff(_STACK, compression="jpeg"),
    "TIFF JPEG 2000, tiles": _tiff(_STACK, compression="jpeg2000", tile=(16, 16)),
    "TIFF Zstandard": _tiff(_STACK, compression="zstd"),
    "BigTIFF": _tiff(_STACK, bigtiff=True, compression="zlib"),
    "TIFF ImageJ": _tiff(_DEEP, imagej=True, photometric=None),
    "PNG": _image("PNG"),
    "PNG colour": _image("PNG", mode="RGBA"),
    "JPEG": _image("JPEG"),
    "JPEG progressive": _image("JPEG", mode="RGB", progressive=True),
    "WebP": _image("WEBP"),
    "WebP lossless": _image("WEBP", mode="RGBA", lossless=True),
    "BMP": _image("BMP", mode="RGB"),
    "JPEG turned": _image("JPEG", exif=_TURNED),
    "PNG turned": _image("PNG", exif=_TURNED),
    "TIFF turned": _tiff(_STACK, extratags=[(274, "H", 1, 6, False)]),
    "GIF": _animated("GIF"),
    "PNG animated": _animated("PNG"),
    "WebP animated": _animated("WEBP", mode="RGB", lossless=True),
    "JP2": _jpeg2000("jp2", _GREY),
    "J2K": _jpeg2000("j2k", _DEEP[0]),
    "MP4": _film("mp4", "libx264"),
    "AVI": _film("avi", "mpeg4"),
    "Matroska": _film("matroska", "mpeg4"),
    "NPY": _npy(_STACK),
    "NPY float": _npy(_STACK.astype(">f8")),
}
MASKS = {
    "mask PNG": _image("PNG", _MASK * np.uint8(255)),
    "mask PNG indexed": _image("PNG", _MASK, mode="P"),
    "mask PNG 1 bit": _image("PNG", _MASK * np.uint8(255), mode="1"),
    "mask TIFF": _tiff(np.stack([_MASK] * 2), compression="zlib"),
    "mask TIFF, white is low": _tiff(_MASK * np.uint8(255), photometric="miniswhite"),
    "mask WebP": _image("WEBP", _MASK * np.uint8(255), mode="RGB", lossless=True),
    "mask GIF": _animated("GIF", np.stack([_MASK] * 2) * np.uint8(255)),
    "mask BMP": _image("BMP", _MASK * np.uint8(255)),
    "mask JPEG": _image("JPEG", _MASK * np.uint8(255)),
    "mask NPY": _npy(np.stack([_MASK] * 2)),
    "mask NIfTI": _volume(".nii", _MASK),
    "mask NIfTI gzipped": _volume(".nii.gz", np.stack([_MASK] * 2), compressed=True),
    "mask NRRD": _volume(".nrrd", np.stack([_MASK] * 2), compressed=True),
    "mask MetaImage": _volume(".mha", _MASK),
}
