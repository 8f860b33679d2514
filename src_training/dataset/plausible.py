"""Whether a mask can be the vessels of its frame: how much it covers, and whether the picture under it differs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from src_training.dataset.frame import BACKGROUND, VESSEL, Frame
from src_training.inference.preprocess import collimated_field, finite_grey

#: Of the collimated field. The fullest of ARCADE's 1,195 masks covers 0.08 of it.
LARGEST_SHARE = 1 / 3
#: Smallest contrast with which a mask counts as lying on something; see `contrast_of` and the evidence in `judge`.
SMALLEST_CONTRAST = 0.3
#: Contrast from which on a turned or moved mask is said to fit better.
CLEAR_CONTRAST = 0.5
ACCEPT = "--accept-implausible"
INVERT = "--invert-masks"
_NOT_INVERTED = f"Leave out {INVERT}."

_PROMISE_NOTHING = ("no_vessel", "not_evaluable", "rejected")
_SIDE = 256  # vessels are a few pixels wide at about this size; finer ones are noise
_SMALLEST_SIDE = 80  # below it there is no surrounding to compare with
_FEWEST_PIXELS = 150  # at that size: on fewer ones chance alone makes or hides a contrast
_EVEN_SIGMA, _SPREAD_SIGMA = 10, 20
_GAP, _RING = (
    1,
    4,
)  # pixels left out around the mask, whose edge nobody draws alike; and of the ring around these


@dataclass(frozen=True)
class Finding:
    """What is odd about a mask: a ``code`` for machines, a ``text`` and its ``cure`` for people."""

    code: str
    text: str
    cure: str


@dataclass(frozen=True)
class Judgement:
    """``share`` of the field that is vessel, ``contrast`` with vessels dark (None: too small to tell), findings.

    See `contrast_of`; ``vessels_bright``: the picture was turned over for it.
    """

    share: float
    contrast: float | None
    findings: tuple[Finding, ...]
    vessels_bright: bool = False

    @property
    def text(self) -> str:
        """What is odd and what to do about it where masks are saved, on one line; empty when nothing is."""
        return f"{self.hint} Or take it as it is: {ACCEPT}." if self.findings else ""

    @property
    def hint(self) -> str:
        """What is odd and where it may come from, on one line; empty when nothing is."""
        return " ".join([f"{self.oddity}.", *(one.cure for one in self.findings)]) if self.findings else ""

    @property
    def oddity(self) -> str:
        """What is odd, without a cure: for a question to whoever drew the mask; empty when nothing is."""
        return "; ".join(one.text for one in self.findings)

    @property
    def polarity(self) -> str:
        """``dark`` or ``bright`` as the picture under the mask is; empty where it is neither."""
        if self.contrast is None or abs(self.contrast) < SMALLEST_CONTRAST:
            return ""
        return "dark" if (self.contrast > 0) != self.vessels_bright else "bright"

    @property
    def of_inverted(self) -> Judgement:
        """The same where somebody had the mask turned over: what looks black on white was not."""
        told = [replace(one, cure=_NOT_INVERTED) if one.code == "inverted" else one for one in self.findings]
        return replace(self, findings=tuple(told))

    def has(self, code: str) -> bool:
        """Whether this was found."""
        return any(one.code == code for one in self.findings)


def promises_vessels(status: str) -> bool:
    """Whether a frame of this status is said to have vessels that are drawn."""
    return status not in _PROMISE_NOTHING


def judge_frame(frame: Frame, mask: NDArray[np.uint8], status: str = "accepted") -> Judgement:
    """`judge` for a frame as the dataset is handed it."""
    shown = frame.pixels if frame.grey is None else frame.grey.shown(frame.pixels)
    return judge(shown, mask, status, vessels_bright=frame.vessels_bright)


def judge(
    shown: NDArray, mask: NDArray[np.uint8], status: str = "accepted", *, vessels_bright: bool = False
) -> Judgement:
    """What is odd about a mask (Y, X) of 0, 1, 255 on its frame (Y, X) as shown.

    Evidence for the limits: the true masks of all 1,195 ARCADE frames have contrasts of 0.69 to 0.98 and shares up to
    0.08, none is odd. Of 299 of them turned, mirrored, moved by 20 px and more, or of another frame, 99 of 100 have a
    contrast below 0.27; drawn 2 px too wide a true one has 0.50 and more, moved by 3 px 0.46, as thin lines 0.32.
    Findings are ``empty``, ``share``, ``inverted``,
    ``misfit`` and ``polarity``; for a status that promises no vessels there are none.
    """
    grey = finite_grey(shown)
    vessel = mask == VESSEL
    share = _share(grey, vessel)
    background_share = _share(grey, mask == BACKGROUND)
    grey = -grey if vessels_bright else grey
    contrast = _contrast_of(grey, vessel)
    judged = functools.partial(Judgement, share, contrast, vessels_bright=vessels_bright)
    if not promises_vessels(status):
        return judged(())
    if not vessel.any():
        empty = Finding(
            "empty",
            "no vessel in it, but the frame is called " + status,
            "Without vessels: --status no_vessel.",
        )
        return judged((empty,))
    if share > LARGEST_SHARE:
        return judged((_too_much(grey, mask == BACKGROUND, share, background_share),))
    if contrast is None or contrast >= SMALLEST_CONTRAST:
        return judged(())
    if contrast <= -SMALLEST_CONTRAST:
        return judged((_other_polarity(contrast, vessels_bright),))
    return judged((_misfit(grey, vessel, contrast),))


def contrast_of(shown: NDArray, vessel: NDArray[np.bool_]) -> float | None:
    """Chance that a pixel under the mask is darker than one of the ring around it, minus that it is brighter.

    1: all are darker, -1: all are brighter, 0: the mask lies on nothing (Cliff's delta, on the frame with local mean
    and spread evened out). None where frame or mask is too small to tell.
    """
    return _contrast_of(finite_grey(shown), vessel)


# -- what is odd ---------------------------------------------------------------------------------------------


def _share(grey: NDArray[np.float32], vessel: NDArray[np.bool_]) -> float:
    step = 4  # of the field
    field = collimated_field(grey)
    return float(vessel[::step, ::step][field].mean()) if field.any() else float(vessel.mean())


def _too_much(
    grey: NDArray[np.float32], background: NDArray[np.bool_], share: float, background_share: float
) -> Finding:
    text = f"vessel on {share:.0%} of the field"
    other = _contrast_of(grey, background)
    if background.any() and background_share <= LARGEST_SHARE and (other is None or other > 0):
        return Finding("inverted", f"{text}: black on white, as it seems", f"Vessels are its 0: {INVERT}.")
    return Finding("share", text, "Check what its values mean.")


def _other_polarity(contrast: float, vessels_bright: bool) -> Finding:
    looks, other = ("darker", "dark") if vessels_bright else ("brighter", "bright")
    text = f"the picture is {looks} under it than beside it (contrast {contrast:+.2f})"
    return Finding("polarity", text, f"Where vessels are {other}: --vessels {other}.")


def _misfit(grey: NDArray[np.float32], vessel: NDArray[np.bool_], contrast: float) -> Finding:
    text = f"the picture under it is as beside it (contrast {contrast:+.2f})"
    better = _better_place(grey, vessel)
    if better:
        return Finding("misfit", f"{text}; it fits {better}", "Export mask and picture the same way up.")
    return Finding("misfit", text, "Is it the mask of another frame?")


def _better_place(grey: NDArray[np.float32], vessel: NDArray[np.bool_]) -> str:
    """How the mask would fit the picture; empty when nothing is found."""
    evened = _Evened(grey)
    fits = {name: evened.contrast(turned) or 0.0 for name, turned in _turned(vessel)}
    moved, place = evened.moved(vessel)
    fits[place] = moved
    best = max(fits, key=lambda name: fits[name])
    return best if fits[best] >= CLEAR_CONTRAST else ""


def _turned(vessel: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    turns: dict[str, Callable[[NDArray], NDArray]] = {
        "turned by 90°": lambda mask: np.rot90(mask),
        "turned by 180°": lambda mask: np.rot90(mask, 2),
        "turned by 270°": lambda mask: np.rot90(mask, 3),
        "upside down": np.flipud,
        "mirrored": np.fliplr,
        "transposed": np.transpose,
        "transposed and turned by 180°": lambda mask: np.rot90(mask, 2).T,
    }
    for name, turn in turns.items():
        turned = turn(vessel)
        if turned.shape == vessel.shape:
            yield name, turned


# -- the picture under a mask --------------------------------------------------------------------------------


def _contrast_of(grey: NDArray[np.float32], vessel: NDArray[np.bool_]) -> float | None:
    return None if min(grey.shape) < _SMALLEST_SIDE else _Evened(grey).contrast(vessel)


class _Evened:
    """A frame (Y, X), shrunk by whole pixels, with local mean 0 and local spread 1."""

    def __init__(self, grey: NDArray[np.float32]) -> None:
        self._step = max(1, round(min(grey.shape) / _SIDE))
        small = self._shrunk(grey)
        detail = small - ndimage.gaussian_filter(small, _EVEN_SIGMA)
        spread = np.sqrt(ndimage.gaussian_filter(detail**2, _SPREAD_SIGMA))
        self._values = detail / (spread + 0.02 * small.std() + 1e-6)

    def contrast(self, vessel: NDArray[np.bool_]) -> float | None:
        """See `contrast_of`."""
        return self._compared(self._shrunk(vessel.astype(np.float32)))

    def moved(self, vessel: NDArray[np.bool_]) -> tuple[float, str]:
        """The contrast at the place where the mask fits best when it is moved, and that place in words."""
        cover = self._shrunk(vessel.astype(np.float32))
        sizes = [2 * side for side in cover.shape]
        fit = np.fft.irfft2(np.fft.rfft2(-self._values, sizes) * np.conj(np.fft.rfft2(cover, sizes)), sizes)
        down, right = (
            int(at) - size if at > size // 2 else int(at)
            for at, size in zip(np.unravel_index(int(fit.argmax()), fit.shape), sizes, strict=True)
        )
        there = ndimage.shift(cover, (down, right), order=0)
        if there.sum() < 0.5 * cover.sum():
            return 0.0, ""
        words = [_way(down * self._step, "down", "up"), _way(right * self._step, "right", "left")]
        return self._compared(there) or 0.0, "moved " + " and ".join(filter(None, words))

    def _compared(self, cover: NDArray[np.float32]) -> float | None:
        inner = cover > 0.5
        if inner.sum() < _FEWEST_PIXELS:
            inner = cover > 0  # thin lines fill no pixel of the small picture
        if inner.sum() < _FEWEST_PIXELS:
            return None
        near = ndimage.binary_dilation(cover > 0, iterations=_GAP)
        ring = ndimage.binary_dilation(near, iterations=_RING) & ~near
        if ring.sum() < _FEWEST_PIXELS:
            return None
        under, beside = self._values[inner], np.sort(self._values[ring])
        darker = 1 - np.searchsorted(beside, under, "right") / len(beside)
        brighter = np.searchsorted(beside, under, "left") / len(beside)
        return float((darker - brighter).mean())

    def _shrunk(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        step = self._step
        rows, columns = image.shape[0] // step, image.shape[1] // step
        blocks = image[: rows * step, : columns * step].reshape(rows, step, columns, step)
        return blocks.mean(axis=(1, 3))


def _way(pixels: int, forwards: str, backwards: str) -> str:
    if not pixels:
        return ""
    return f"{abs(pixels)} px {forwards if pixels > 0 else backwards}"
