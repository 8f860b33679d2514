"""Frames with coronary trees drawn onto them by Beer-Lambert, and the labels that nobody had to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from src_training.training.drawn_arteries import Growth, grow_arteries
from src_training.training.drawn_background import remove_vessels
from src_training.training.drawn_distractors import body_edges, catheter, hardware, reflux
from src_training.training.drawn_heart import projected
from src_training.training.drawn_optics import Ground, Optics
from src_training.training.drawn_rays import Bundle, Plane, Tube

__all__ = ["TreeSettings", "draw_frame", "remove_vessels"]

Range = tuple[float, float]

_SHOWN = 0.75  # grey levels: less than this is lost in rounding
_EDGE = 0.5  # share of a pixel that must be vessel


class TreeSettings(BaseModel):
    """How trees are drawn; lengths in pixels of a frame whose longer side is 512."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: float = Field(0.6, ge=0, le=1, description="Share of left trees; the others are right arteries.")
    root_width_px: Range = Field((8.0, 16.0), description="Width of the main vessels at the ostium.")
    contrast: Range = Field((0.25, 1.0), description="Attenuation on the axis of a vessel of root width.")
    thin_contrast: Range = Field(
        (0.55, 0.9), description="Exponent of attenuation over thickness; below 1 lifts thin vessels."
    )
    lavish: Range = Field((0.6, 1.4), description="Relative number of side branches.")
    tortuosity: Range = Field((0.01, 0.07), description="Sideways wandering per wavelength.")
    stenosis: float = Field(0.2, ge=0, lt=1, description="Probability of a (further) stenosis in a vessel.")
    occlusion: float = Field(0.03, ge=0, le=1, description="Probability that a vessel ends in an occlusion.")
    blur_px: Range = Field((0.6, 1.4), description="Standard deviation of the detector's blur.")
    motion_px: float = Field(4.0, ge=0, description="Longest way a vessel moves during the exposure.")
    sharpen: float = Field(0.5, ge=0, le=2, description="Strongest edge enhancement by the display.")
    catheter: float = Field(0.85, ge=0, le=1, description="Probability of a catheter in the ostium.")
    hardware: float = Field(
        0.12, ge=0, le=1, description="Probability of each: lead, wire, sternal wires, clips."
    )
    body_edges: float = Field(0.15, ge=0, le=1, description="Probability of each: diaphragm, ribs.")
    reflux: float = Field(0.4, ge=0, le=1, description="Probability of contrast in the aorta at the ostium.")
    visible_sd: float = Field(
        1.0, ge=0, description="Contrast of a vessel over the local noise from which it is labelled."
    )
    visible_grey: float = Field(
        4.0, ge=0, description="Grey levels of contrast below which no vessel is labelled."
    )


def draw_frame(
    background: NDArray[np.uint8], rng: np.random.Generator, settings: TreeSettings = TreeSettings()
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one coronary tree, and what resembles one, onto a vessel-poor frame (see `remove_vessels`).

    Parameters
    ----------
    background : (Y, X) uint8, sides of 128 to 1024 px.

    Returns
    -------
    frame : (Y, X) uint8; level·(1 - exp(-attenuation)) is taken off the background (Beer-Lambert on its
        slow grey level, so that the grain stays as the detector's).
    label : (Y, X) uint8; 1 vessel, 0 background and distractors, 255 drawn but too faint to be seen.
    """
    shape = (background.shape[0], background.shape[1])
    scale = max(shape) / 512
    tree = _tree(rng, shape, settings)
    bundle = Bundle.of(tree)
    optics = _optics(rng, scale, settings)
    contrast = _Contrast.drawn(rng, scale, settings)
    vessels = optics.imaged(contrast.attenuation(bundle.thickness(shape)))
    others = replace(optics, motion_px=(0.0, 0.0)).imaged(_distractors(rng, shape, tree, settings, contrast))
    ground = Ground.of(background)
    taken = ground.level * -np.expm1(-vessels - others)
    frame = np.clip(np.rint(background - taken), 0, 255).astype(np.uint8)
    return frame, _label(bundle.widened(optics.blur_px, optics.motion_px), vessels, ground, settings)


@dataclass(frozen=True)
class _Contrast:
    """Attenuation of a path of ``reference`` px, and the exponent with which it grows."""

    peak: float
    reference: float
    exponent: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, scale: float, settings: TreeSettings) -> _Contrast:
        peak = float(np.exp(rng.uniform(*np.log(settings.contrast))))
        reference = scale * float(np.mean(settings.root_width_px))
        return cls(peak, reference, rng.uniform(*settings.thin_contrast))

    def attenuation(self, path: Plane) -> Plane:
        attenuation = np.zeros_like(path)
        hit = path > 0
        attenuation[hit] = self.peak * (path[hit] / self.reference) ** self.exponent
        return attenuation


def _tree(rng: np.random.Generator, shape: tuple[int, int], settings: TreeSettings) -> list[Tube]:
    growth = Growth(
        root_px=rng.uniform(*settings.root_width_px) / 2,
        lavish=rng.uniform(*settings.lavish),
        tortuosity=rng.uniform(*settings.tortuosity),
        stenosis=settings.stenosis,
        occlusion=settings.occlusion,
    )
    return projected(
        rng, grow_arteries(rng, "left" if rng.random() < settings.left else "right", growth), shape
    )


def _optics(rng: np.random.Generator, scale: float, settings: TreeSettings) -> Optics:
    angle, way = rng.uniform(0, np.pi), settings.motion_px * scale * rng.random() ** 2
    return Optics(
        blur_px=rng.uniform(*settings.blur_px) * scale,
        motion_px=(way * np.cos(angle), way * np.sin(angle)),
        sharpen=settings.sharpen * max(0.0, rng.uniform(-1, 1)),
        halo_px=rng.uniform(2, 5) * scale,
    )


def _distractors(
    rng: np.random.Generator,
    shape: tuple[int, int],
    tree: Sequence[Tube],
    settings: TreeSettings,
    contrast: _Contrast,
) -> Plane:
    """Attenuation (Y, X) of everything drawn that is no vessel."""
    ostium = tree[0].points[0]
    inward = tree[0].points[min(20, len(tree[0].points) - 1)] - ostium
    inward = inward / max(float(np.hypot(*inward)), 1e-6)
    tubes = hardware(rng, shape, settings.hardware)
    if rng.random() < settings.catheter:
        tubes.append(catheter(rng, shape, ostium, inward))
    attenuation = contrast.attenuation(Bundle.of(tubes).thickness(shape)) + body_edges(
        rng, shape, settings.body_edges
    )
    return attenuation + reflux(rng, shape, ostium) if rng.random() < settings.reflux else attenuation


def _label(tree: Bundle, vessels: Plane, ground: Ground, settings: TreeSettings) -> NDArray[np.uint8]:
    """1 within the width of what can be seen, 255 where contrast is there but cannot."""
    shape = (vessels.shape[0], vessels.shape[1])
    x, y = (np.clip(np.rint(tree.at[:, axis]), 0, shape[1 - axis] - 1).astype(np.intp) for axis in (0, 1))
    contrast = ground.level[y, x] * -np.expm1(-vessels[y, x])
    needed = np.maximum(settings.visible_grey, settings.visible_sd * ground.spread[y, x])
    seen = tree.mostly((contrast > needed) & (tree.opacity > 0), reach=7)
    faint = ~seen & (contrast > _SHOWN) & (tree.opacity > 0)
    hidden = np.where(tree.coverage(faint, shape) > _EDGE, np.uint8(255), np.uint8(0))
    return np.where(tree.coverage(seen, shape) > _EDGE, np.uint8(1), hidden)
