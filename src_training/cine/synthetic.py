"""A synthetic coronary cine with exact masks: beating, breathing, wash-in and wash-out, by Beer-Lambert."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from src_training.cine.cine import Cine, Projection, array_cine
from src_training.cine.phantom_chest import Chest, cloud, make_chest
from src_training.cine.phantom_tree import Branch, Lumen, grow_tree, project, smooth_curve

# Attenuation below this many standard deviations of the noise: no person would call it vessel.
_VISIBLE = 1.6


@dataclass(frozen=True)
class Style:
    """How one hospital's frames look; lengths in pixels of a 512-pixel frame."""

    trunk_radius: float = 7.0
    vessel: float = 0.052
    bias: float = 1.0
    noise: float = 0.02
    grain: float = 0.7
    blur: float = 0.75
    sharpen: float = 0.35
    gamma: float = 1.0
    range: float = 0.75
    white: float = 190.0
    black: float = 6.0
    frame_ms: float = 66.7


STYLES = {
    "default": Style(),
    "other-hospital": Style(
        trunk_radius=5.2,
        vessel=0.10,
        bias=1.6,
        noise=0.032,
        grain=1.1,
        blur=1.25,
        sharpen=0.0,
        gamma=0.62,
        range=0.55,
        white=185.0,
        black=40.0,
        frame_ms=80.0,
    ),
}


@dataclass(frozen=True)
class SyntheticCine:
    """A cine with, for every frame, the exact vessel and catheter masks: uint8 (T, Y, X) of 0/1."""

    cine: Cine
    masks: np.ndarray
    catheter: np.ndarray


def synthetic_cine(
    seed: int = 0, *, n_frames: int = 24, shape: tuple[int, int] = (256, 256), style: str = "default"
) -> SyntheticCine:
    """Make up a coronary run; the same arguments give the same pixels.

    Parameters
    ----------
    seed : int
    n_frames : int
        Contrast arrives, fills the tree and washes out over these frames.
    shape : (rows, columns)
    style : str
        ``default`` or ``other-hospital`` (other contrast, noise, resolution, bias, vessel size).

    Returns
    -------
    SyntheticCine
        uint8 frames, vessels dark; a vessel is in the mask where contrast makes it visible.
    """
    if style not in STYLES:
        raise ValueError(f"style {style!r} is not one of {', '.join(STYLES)}")
    rng = np.random.default_rng([seed, *style.encode()])
    scene = _Scene.make(rng, shape, STYLES[style])
    frames, masks, catheter = zip(*(scene.shoot(rng, u) for u in _moments(n_frames)), strict=True)
    cine = array_cine(
        np.stack(frames),
        f"synthetic-{style}-{seed}",
        frame_time_ms=STYLES[style].frame_ms,
        frame_time_source="FrameTime",
        projection=Projection(*(round(float(angle), 1) for angle in rng.uniform((-40, -30), (50, 35)))),
        is_multiframe_file=True,
    )
    return SyntheticCine(cine, np.stack(masks), np.stack(catheter))


def _moments(n_frames: int) -> np.ndarray:
    """When frames are taken, 0 to 1 over the run; very short runs show the filled tree."""
    return np.linspace(0, 1, n_frames) if n_frames >= 6 else np.linspace(0.5, 0.62, n_frames)


@dataclass(frozen=True)
class _Scene:
    style: Style
    scale: float
    chest: Chest
    lumen: Lumen
    catheter: Lumen
    drift: np.ndarray
    beats: float
    phase: float
    shutter: np.ndarray
    reflux: np.ndarray
    exposure: tuple[float, float]

    @classmethod
    def make(cls, rng: np.random.Generator, shape: tuple[int, int], style: Style) -> _Scene:
        side = min(shape)
        view, place = str(rng.choice(["left", "right"])), _placement(rng, shape)
        # Small frames keep vessels a pixel or two wide.
        radius = style.trunk_radius * (side / 512) ** 0.8 * rng.uniform(0.85, 1.15)
        tree = grow_tree(rng, shape, view, radius, place)
        chest = make_chest(rng, shape, style.bias)
        lumen = project(tree, shape)
        return cls(
            style=style,
            scale=side / 512,
            chest=chest,
            lumen=lumen,
            catheter=_catheter(rng, shape, tree[0], 0.52 * radius),
            drift=np.stack([cloud(rng, shape, 0.25) for _ in range(4)]).astype(np.float32),
            beats=float(rng.uniform(1.4, 2.4)),
            phase=float(rng.uniform(0, 2 * np.pi)),
            shutter=_shutter(rng, shape),
            reflux=_reflux(rng, shape, lumen.ostium),
            exposure=_exposure(chest, style.range),
        )

    def shoot(self, rng: np.random.Generator, u: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The frame at moment ``u`` with its vessel and catheter masks."""
        move, shift = self._motion(u)
        fill = _fill(u, self.lumen.travelled / (620 * self.scale))
        vessels = _warp(self._attenuation(self.lumen.thickness) * fill, move)
        catheter = _warp(self._catheter_attenuation(u), move * self._held())
        behind = self.chest.still + self.chest.diaphragm(shift) + _warp(self.chest.heart, move)
        behind = self.exposure[0] * behind + self.exposure[1] + self.reflux * _fill(u, np.float32(0.02))
        frame = self._expose(rng, behind + np.maximum(vessels, catheter))
        seen = (self.shutter > 0.5) / (_VISIBLE * self.style.noise)
        return frame, (vessels * seen > 1).astype(np.uint8), (catheter * seen > 1).astype(np.uint8)

    def _attenuation(self, thickness: np.ndarray) -> np.ndarray:
        # Display processing lifts thin vessels: sublinear in thickness.
        return self.style.vessel * (thickness / self.scale**0.8) ** 0.85

    def _catheter_attenuation(self, u: float) -> np.ndarray:
        """A tube whose wall always shows and whose bore fills during the injection."""
        wall = 0.35 * self._attenuation(self.catheter.thickness)
        return wall + 0.65 * wall / 0.35 * _fill(u, np.float32(0.0))

    def _motion(self, u: float) -> tuple[np.ndarray, float]:
        """(2, Y, X) displacement in pixels (rows, columns) and the diaphragm's shift."""
        beat = 2 * np.pi * self.beats * u + self.phase
        squeeze = 0.5 - 0.5 * np.cos(beat) + 0.25 * np.sin(2 * beat)
        rows, columns = np.mgrid[: self.drift.shape[1], : self.drift.shape[2]].astype(np.float32)
        cy, cx = 0.6 * rows.shape[0], 0.52 * rows.shape[1]
        toward = np.stack([rows - cy, columns - cx]) / max(rows.shape)
        local = self.drift[:2] * np.sin(beat) + self.drift[2:] * np.cos(beat)
        breath = 5 * np.sin(2 * np.pi * 0.35 * u + 0.3 * self.phase)
        move = self.scale * (22 * squeeze * toward + 2.2 * local)
        move[0] += 0.5 * self.scale * breath
        return move.astype(np.float32), float(self.scale * breath)

    def _held(self) -> np.ndarray:
        """How far the catheter follows the heart: with its tip, not with its shaft."""
        rows, columns = np.mgrid[: self.drift.shape[1], : self.drift.shape[2]].astype(np.float32)
        distance = np.hypot(rows - self.lumen.ostium[0], columns - self.lumen.ostium[1])
        return np.exp(-((distance / (90 * self.scale)) ** 2))

    def _expose(self, rng: np.random.Generator, attenuation: np.ndarray) -> np.ndarray:
        """Beer-Lambert, detector blur, quantum noise, edge enhancement, collimator, display grey."""
        style = self.style
        dose = gaussian_filter(np.exp(-attenuation), style.blur * max(self.scale, 0.6))
        grain = gaussian_filter(
            rng.normal(size=dose.shape).astype(np.float32), style.grain * max(self.scale, 0.5)
        )
        dose = dose + style.noise * np.sqrt(dose) * grain / max(float(grain.std()), 1e-6)
        dose = dose + style.sharpen * (dose - gaussian_filter(dose, 2.5 * max(self.scale, 0.5)))
        shown = np.clip(dose, 0, None) ** style.gamma * self.shutter
        return np.clip(style.black + style.white * shown, 0, 255).round().astype(np.uint8)


def _exposure(chest: Chest, span: float) -> tuple[float, float]:
    """Gain and offset that bring the chest's attenuation to 0.1 … 0.1 + ``span``, as automatic exposure does."""
    low, high = np.percentile(chest.still + chest.diaphragm(0.0) + chest.heart, (1, 99))
    gain = span / max(float(high - low), 1e-6)
    return gain, 0.1 - gain * float(low)


def _fill(u: float, delay: np.ndarray | np.floating) -> np.ndarray:
    """Contrast (0 to 1) at moment ``u`` after a way of ``delay``: a quick rise, a plateau, a slow wash-out."""
    arrives, leaves = 0.10 + 0.30 * delay, 0.60 + 0.33 * delay
    rise = 1 / (1 + np.exp(-np.clip((u - arrives) / 0.018, -40, 40)))
    fall = 1 / (1 + np.exp(-np.clip((u - leaves) / 0.045, -40, 40)))
    return (rise * (1 - 0.97 * fall)).astype(np.float32)


def _placement(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Affine map from a view's unit square to pixels: turned, scaled, sometimes mirrored."""
    side = min(shape)
    angle, zoom = rng.uniform(-0.25, 0.25), side * rng.uniform(0.9, 1.12)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.25:
        turn = turn @ np.diag([-1.0, 1.0])
    middle = np.array([shape[1] / 2, shape[0] / 2]) + rng.uniform(-0.04, 0.04, 2) * side
    return np.column_stack([turn, middle - turn @ [0.5, 0.53]])


def _catheter(rng: np.random.Generator, shape: tuple[int, int], trunk: Branch, radius: float) -> Lumen:
    """From the top edge down, turning into the direction of the trunk."""
    side, ostium = min(shape), trunk.points[0]
    inward = trunk.points[min(20, len(trunk.points) - 1)] - ostium
    inward = inward / max(float(np.linalg.norm(inward)), 1e-6)
    before = ostium - inward * rng.uniform(0.05, 0.10) * side
    lean = rng.uniform(-0.08, 0.08) * side
    top = np.array([before[0] - 0.5 * inward[0] * 0.06 * side + lean, -6.0])
    bend = np.array([before[0] - 0.03 * side * inward[0] + 0.3 * lean, 0.55 * before[1]])
    curve = smooth_curve(np.array([top, bend, before, ostium, ostium + inward * 0.015 * side]))
    n = len(curve)
    return project([Branch(curve, np.full(n, max(radius, 0.7)), np.arange(n) * 0.6, 0)], shape)


def _shutter(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Collimator blades: 1 inside, a few per cent outside, soft edges; sometimes outside the frame."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    side = min(shape)
    near = [rng.uniform(0.015, 0.05) if rng.random() < 0.55 else -0.05 for _ in range(4)]
    low, high = rows - near[0] * side, shape[0] - 1 - near[1] * side - rows
    left, right = columns - near[2] * side, shape[1] - 1 - near[3] * side - columns
    inside = np.minimum.reduce([low, high, left, right])
    return 0.06 + 0.94 / (1 + np.exp(-np.clip(inside / (0.004 * side), -40, 40)))


def _reflux(rng: np.random.Generator, shape: tuple[int, int], ostium: tuple[float, float]) -> np.ndarray:
    """The cloud of contrast that spills into the aorta beside the catheter's tip."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    side = min(shape)
    y, x = ostium[0] - 0.01 * side, ostium[1] + rng.uniform(-0.03, 0.03) * side
    spread = rng.uniform(0.015, 0.035) * side
    return rng.uniform(0.03, 0.15) * np.exp(
        -(((rows - y) / spread) ** 2 + ((columns - x) / (1.4 * spread)) ** 2)
    )


def _warp(field: np.ndarray, move: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: field.shape[0], : field.shape[1]].astype(np.float32)
    return map_coordinates(field, (rows + move[0], columns + move[1]), order=1, mode="nearest")
