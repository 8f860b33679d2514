"""The ARCADE frames that ship: sample frames, the replay pack and the home panel (ATTRIBUTION.md)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from src_training.errors import DatasetError

HERE = Path(__file__).resolve().parent
REPLAY_PACK = HERE / "replay.zip"
HOME_PANEL = HERE / "home.zip"
BEYOND = 2  # a vessel's label beyond the outlines


@dataclass(frozen=True)
class PackedFrame:
    """One shipped frame: grey image (Y, X) uint8; label (Y, X) uint8 0 background, 1 outlined vessel, and beyond
    the outlines, where ARCADE's own protocol has background, `BEYOND` vessel and 255 what may be one."""

    name: str
    image: NDArray[np.uint8]
    label: NDArray[np.uint8]

    def label_for(self, protocol: str) -> NDArray[np.uint8]:
        """The label of 0, 1, 255 under a protocol: ``syntax`` counts what is not outlined as background."""
        if protocol == "syntax":
            return (self.label == 1).astype(np.uint8)
        return np.where(self.label == BEYOND, np.uint8(1), self.label)


def replay_frames() -> list[PackedFrame]:
    """64 frames of ARCADE's training part, mixed into every fine-tuning."""
    return list(_read_pack(REPLAY_PACK))


def home_frames() -> list[PackedFrame]:
    """40 frames of ARCADE's validation part, on which every candidate must hold its ground."""
    return list(_read_pack(HOME_PANEL))


def sample_frames() -> list[Path]:
    """Image files for File > Open Sample, in natural order."""
    return sorted((HERE / "frames").glob("*.webp"))


def write_pack(path: Path, frames: list[tuple[str, bytes, NDArray[np.uint8]]]) -> None:
    """Write (name, image file content, label) triples as one zip with fixed dates, equal for equal input."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as pack:
        for name, image, label in frames:
            pack.writestr(zipfile.ZipInfo(f"images/{name}.webp"), image)
            pack.writestr(zipfile.ZipInfo(f"labels/{name}.png"), imagecodecs.png_encode(label, level=9))


def grey_webp(data: bytes) -> NDArray[np.uint8]:
    """(Y, X) grey of a WebP file that stores grey as equal RGB."""
    pixels = imagecodecs.webp_decode(data)
    return np.ascontiguousarray(pixels[..., 0]) if pixels.ndim == 3 else pixels


def _read_pack(path: Path) -> Iterator[PackedFrame]:
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as pack:
            for entry in pack.namelist():
                if entry.startswith("images/"):
                    name = Path(entry).stem
                    label = imagecodecs.png_decode(pack.read(f"labels/{name}.png"))
                    yield PackedFrame(name, grey_webp(pack.read(entry)), label)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise DatasetError(
            f"{path.name}: the shipped frames are damaged ({error}). Install again."
        ) from error
