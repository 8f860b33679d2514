"""Tubes of contrast on a detector: path lengths summed per pixel with exact partial volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

STEP_PX = 0.7  # between samples, along and across a tube


@dataclass(frozen=True)
class Tube:
    """A bent cylinder: centreline (N, 2) of (x, y) px, radii (N,) px, opacity (N,) per px of path.

    ``bore``: opacity of the inner 60 % of the radius relative to the wall (1 = solid). Neighbouring
    points lie at most about one pixel apart.
    """

    points: NDArray[np.floating]
    radii: NDArray[np.floating]
    opacity: NDArray[np.floating]
    bore: float = 1.0


@dataclass(frozen=True)
class Bundle:
    """Many tubes as flat arrays over all M centre points, so that one call draws them all.

    ``at`` and ``normal`` (M, 2) of (x, y); ``length`` px of centreline a point stands for; ``bend``
    curvature (1/px) along the normal; ``radius`` px; ``opacity``; ``bore``; ``first`` and ``last`` index of
    the point's own tube.
    """

    at: Plane
    normal: Plane
    length: Plane
    bend: Plane
    radius: Plane
    opacity: Plane
    bore: Plane
    first: NDArray[np.intp]
    last: NDArray[np.intp]

    @classmethod
    def of(cls, tubes: Sequence[Tube]) -> Bundle:
        """Gathered, with tangents and curvature by central differences within each tube."""
        sizes = np.array([len(tube.radii) for tube in tubes], dtype=np.intp)
        ends = np.cumsum(sizes)
        first, last = np.repeat(ends - sizes, sizes), np.repeat(ends - 1, sizes)
        at = _joined([tube.points for tube in tubes]).reshape(-1, 2)
        before, after = _neighbours(first, last, 1)
        tangent = (at[after] - at[before]) / (after - before)[:, None].astype(np.float32)
        length = np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), np.float32(1e-6))
        tangent = tangent / length[:, None]
        x, y = tangent.T
        turned = np.arctan2(
            x[before] * y[after] - y[before] * x[after], x[before] * x[after] + y[before] * y[after]
        )
        return cls(
            at=at,
            normal=np.stack([-y, x], axis=1),
            length=length,
            bend=np.clip(turned / (after - before) / length, -1, 1).astype(np.float32),
            radius=_joined([tube.radii for tube in tubes]),
            opacity=_joined([tube.opacity for tube in tubes]),
            bore=np.repeat(np.array([tube.bore for tube in tubes], dtype=np.float32), sizes),
            first=first,
            last=last,
        )

    def thickness(self, shape: tuple[int, int]) -> Plane:
        """Path length x opacity (Y, X), px: chords 2·sqrt(r² - u²), added where tubes cross."""
        index, u, area = self._across()
        r2, u2, bore = np.square(self.radius)[index], u * u, self.bore[index]
        chord = np.sqrt(np.maximum(r2 - u2, 0))
        if (self.bore < 1).any():
            chord -= (1 - bore) * np.sqrt(np.maximum(np.float32(0.36) * r2 - u2, 0))
        return self._splat(index, u, 2 * area * self.opacity[index] * chord, shape)

    def coverage(self, chosen: NDArray[np.bool_], shape: tuple[int, int]) -> Plane:
        """Share of each pixel (Y, X) within the outlines of the ``chosen`` (M,) points; above 1 at crossings."""
        part = self._only(chosen)
        index, u, area = part._across()
        return part._splat(index, u, area, shape)

    def widened(self, blur_px: float, motion_px: tuple[float, float]) -> Bundle:
        """As wide as it looks: radius, blur and motion across (a box: way²/12) add in squares; 1.6 px at least."""
        across = self.normal @ np.asarray(motion_px, dtype=np.float32)
        seen = np.sqrt(np.square(self.radius) + np.float32(blur_px**2) + across**2 / 12)
        return replace(self, radius=np.maximum(seen, np.float32(0.8)))

    def mostly(self, flags: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
        """(M,) flags after a majority vote over ``reach`` points to either side in the same tube."""
        votes = sum(
            flags[side].astype(np.int32)
            for step in range(1, reach + 1)
            for side in _neighbours(self.first, self.last, step)
        )
        return votes + flags > reach

    def _only(self, chosen: NDArray[np.bool_]) -> Bundle:
        return Bundle(**{name: values[chosen] for name, values in vars(self).items()})

    def _across(self) -> tuple[NDArray[np.intp], Plane, Plane]:
        """Samples across every point: its index, the offset u from the axis (px), the area it stands for (px²)."""
        count = np.maximum(2, np.ceil(self.radius * (2 / STEP_PX))).astype(np.intp)
        index = np.repeat(np.arange(len(count)), count)
        place = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
        width = 2 * self.radius / count.astype(np.float32)
        u = (place.astype(np.float32) + np.float32(0.5)) * width[index] - self.radius[index]
        # The inner side of a bend is shorter, down to nothing.
        area = (self.length * width)[index] * np.maximum(1 - self.bend[index] * u, 0)
        return index, u, area

    def _splat(self, index: NDArray[np.intp], u: Plane, value: Plane, shape: tuple[int, int]) -> Plane:
        """Give every sample's value to its four neighbouring pixels, bilinearly: the sum is kept."""
        x = self.at[index, 0] + u * self.normal[index, 0]
        y = self.at[index, 1] + u * self.normal[index, 1]
        inside = np.flatnonzero((x > 0) & (y > 0) & (x < shape[1] - 1) & (y < shape[0] - 1))
        x, y, value = x[inside], y[inside], value[inside]
        column, row = x.astype(np.intp), y.astype(np.intp)
        fx, fy = x - column.astype(np.float32), y - row.astype(np.float32)
        corner = row * shape[1] + column
        lower = value * fy
        upper = value - lower
        total = np.zeros(shape[0] * shape[1])
        for offset, share in ((0, upper), (shape[1], lower)):
            right = share * fx
            total += np.bincount(corner + offset, weights=share - right, minlength=total.size)
            total += np.bincount(corner + offset + 1, weights=right, minlength=total.size)
        return total.reshape(shape).astype(np.float32)


def _neighbours(
    first: NDArray[np.intp], last: NDArray[np.intp], step: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices ``step`` points before and after, within the same tube."""
    index = np.arange(len(first))
    return np.maximum(index - step, first), np.minimum(index + step, last)


def _joined(parts: Sequence[NDArray[np.floating]]) -> Plane:
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)
