"""Shapes and textures on a square canvas whose coordinates run from -1 to 1, whatever its pixel size.

Every length in the phantom is in canvas units, so that an image of any size shows the same scene.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Rng = np.random.Generator


@dataclass(frozen=True)
class Canvas:
    """A pixel grid. ``x`` grows to the right and ``y`` downwards; ``pixel`` is a pixel's width."""

    size: int
    x: Field
    y: Field
    pixel: float


@lru_cache(maxsize=8)
def canvas(size: int) -> Canvas:
    """The canvas of ``size`` x ``size`` pixels."""
    axis = ((np.arange(size, dtype=np.float32) + 0.5) / size) * 2 - 1
    return Canvas(size, np.tile(axis, (size, 1)), np.tile(axis[:, None], (1, size)), 2.0 / size)


def coverage(distance: Field, softness: float) -> Field:
    """Opacity in [0, 1] of a region given its signed distance (negative inside), by smoothstep."""
    t = np.clip(0.5 - distance / softness, 0, 1).astype(np.float32, copy=False)
    return t * t * (3 - 2 * t)


def noise(c: Canvas, rng: Rng, cells: int) -> Field:
    """Band-limited noise of zero mean and about unit variance, ``cells`` bumps across the canvas."""
    weights = _interpolation(c.size, cells)
    coarse = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
    field: Field = (weights @ coarse @ weights.T) * np.float32(1.55)
    return field


@lru_cache(maxsize=64)
def _interpolation(size: int, cells: int) -> Field:
    """Cubic B-spline weights (size, cells + 3); 1.55 restores the variance that the spline takes away."""
    position = (np.arange(size, dtype=np.float64) + 0.5) / size * cells
    index = np.minimum(position.astype(int), cells - 1)
    t = position - index
    basis = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    weights = np.zeros((size, cells + 3))
    for k in range(4):
        weights[np.arange(size), index + k] = basis[k]
    return weights.astype(np.float32)


@dataclass(frozen=True)
class Outline:
    """A star-shaped outline: radius as a Fourier series of the angle, on an ellipse."""

    x: float
    y: float
    radius: float
    aspect: float
    angle: float
    harmonics: tuple[tuple[int, float, float], ...]


def outline(rng: Rng, centre: tuple[float, float], radius: float, irregularity: float, aspect: float = 1.0) -> Outline:
    """Draw an outline; ``irregularity`` 0 is an ellipse, 0.3 is ragged."""
    waves = tuple(
        (k, float(irregularity * rng.normal() / np.sqrt(k - 1)), float(rng.uniform(0, 2 * np.pi))) for k in range(2, 8)
    )
    return Outline(centre[0], centre[1], radius, aspect, float(rng.uniform(0, np.pi)), waves)


def distance_to(c: Canvas, o: Outline) -> Field:
    """Approximate signed distance to an outline, negative inside (exact for a circle)."""
    dx, dy = c.x - np.float32(o.x), c.y - np.float32(o.y)
    cos, sin = np.float32(np.cos(o.angle)), np.float32(np.sin(o.angle))
    u, v = (dx * cos + dy * sin) * np.float32(o.aspect), dy * cos - dx * sin
    rho: Field = np.hypot(u, v)
    theta = np.arctan2(v, u)
    wobble = np.zeros_like(rho)
    for k, amplitude, phase in o.harmonics:
        wobble += np.float32(amplitude) * np.cos(np.float32(k) * theta + np.float32(phase))
    return rho - np.float32(o.radius) * np.clip(1 + wobble, 0.4, 1.6)


def distance_to_points(c: Canvas, points: Field) -> Field:
    """Distance of each pixel to the nearest of ``points`` (P, 2): strokes are dense rows of points."""
    nearest: Field = np.full((c.size, c.size), np.inf, np.float32)
    for x, y in points.astype(np.float32):
        np.minimum(nearest, (c.x - x) ** 2 + (c.y - y) ** 2, out=nearest)
    distance: Field = np.sqrt(nearest)
    return distance


def wave_points(rng: Rng, length: float, amplitude: float, bends: float, spacing: float) -> Field:
    """A stroke through the origin that bends like a sine, as points (P, 2) about ``spacing`` apart."""
    t = np.linspace(-0.5, 0.5, max(8, int(length / spacing * (1 + amplitude * bends * 3))))
    phase, angle = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
    drift = rng.uniform(-0.4, 0.4) * length * t**2
    across = amplitude * np.sin(2 * np.pi * bends * t + phase) + drift
    cos, sin = np.cos(angle), np.sin(angle)
    along = length * t
    return np.stack([along * cos - across * sin, along * sin + across * cos], axis=1).astype(np.float32)


def scatter(rng: Rng, count: int, spread: float, gap: float) -> Field:
    """Up to ``count`` points (P, 2) within ``spread`` of the origin, at least ``gap`` apart."""
    kept: list[tuple[float, float]] = []
    for _ in range(count * 12):
        x, y = rng.uniform(-spread, spread, 2)
        if all((x - a) ** 2 + (y - b) ** 2 > gap * gap for a, b in kept):
            kept.append((float(x), float(y)))
        if len(kept) == count:
            break
    return np.array(kept, dtype=np.float32)


def relief(c: Canvas, height: Field, light_angle: float) -> Field:
    """Shading in [-1, 1] of a height field (canvas units) lit from ``light_angle`` (radians)."""
    dy, dx = np.gradient(height, np.float32(c.pixel))
    slope: Field = np.asarray(dx * np.float32(np.cos(light_angle)) + dy * np.float32(np.sin(light_angle)))
    return np.clip(-slope, -1, 1)
