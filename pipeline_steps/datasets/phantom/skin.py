"""Healthy skin: tone by Fitzpatrick type, body-site texture, light, hair and camera.

Tones: the ITA bands of ``records.skin_types`` (Chardon et al. 1991; Del Bino and Bernerd 2013). The centre
and spread within each band, and a* and b* by type, are ours, set inside the ranges that spectrophotometric
surveys report (light skin: L* 63-73, a* 6-10, b* 12-18; dark skin: L* 35-48, a* 8-12, b* 9-18).
"""

from dataclasses import dataclass

import numpy as np

from pipeline_steps.datasets.phantom.canvas import (
    Canvas,
    Field,
    Rng,
    coverage,
    distance_to_points,
    noise,
    wave_points,
)
from pipeline_steps.pixels.color import linear_from_lab, srgb_from_linear
from pipeline_steps.records.skin_types import ITA_LOWER_BOUND

# type: (ITA mean, ITA sd, a* mean, b* mean, b* sd)
_TONES = {
    1: (59.5, 2.5, 7.0, 13.0, 1.2),
    2: (47.5, 3.0, 9.0, 16.0, 1.4),
    3: (34.5, 3.0, 10.5, 18.0, 1.4),
    4: (19.0, 4.0, 11.5, 19.0, 1.4),
    5: (-8.0, 9.0, 11.5, 17.0, 1.4),
    6: (-46.0, 6.0, 9.0, 11.5, 1.2),
}


@dataclass(frozen=True)
class Tone:
    """A skin colour: CIELAB, and ``melanin`` from 0 (ITA 60) to 1 (ITA -50)."""

    lab: tuple[float, float, float]
    melanin: float


@dataclass(frozen=True)
class Site:
    """A body site's surface: texture amplitude (L* units), fineness (cells), hairs, lighting falloff."""

    texture: float
    cells: int
    hairs: float
    curvature: float


SITES = {
    "face": Site(1.2, 26, 0.1, 6.0),
    "trunk": Site(1.0, 20, 0.6, 3.0),
    "arm": Site(1.5, 24, 1.5, 7.0),
    "leg": Site(1.8, 22, 2.0, 7.0),
    "hand": Site(2.6, 16, 0.2, 8.0),
}


def draw_tone(rng: Rng, skin_type: int) -> Tone:
    """Draw a skin colour inside the ITA band of ``skin_type``."""
    mean, sd, a, b, b_sd = _TONES[skin_type]
    low = max(ITA_LOWER_BOUND[skin_type] + 1.5, -62.0)
    high = ITA_LOWER_BOUND.get(skin_type - 1, 66.5) - 1.5
    ita = float(np.clip(rng.normal(mean, sd), low, high))
    b = float(b + b_sd * np.clip(rng.normal(), -2, 2))
    lab = (50 + b * np.tan(np.radians(ita)), a + float(np.clip(rng.normal(), -2, 2)), b)
    return Tone((float(lab[0]), lab[1], lab[2]), float(np.clip((60 - ita) / 110, 0, 1)))


def paint_skin(c: Canvas, rng: Rng, tone: Tone, site: Site) -> Field:
    """Healthy skin in CIELAB (H, W, 3): tone, mottling, fine texture, curvature of the body."""
    lab = np.empty((c.size, c.size, 3), np.float32)
    mottle, fine = noise(c, rng, 4), noise(c, rng, site.cells)
    angle, bend = rng.uniform(0, 2 * np.pi), site.curvature * rng.uniform(0.2, 1.0)
    across = c.x * np.float32(np.cos(angle)) + c.y * np.float32(np.sin(angle))
    shade = np.float32(bend) * (across * np.float32(0.6) - across**2 * np.float32(0.5))
    depth = 1 - 0.35 * tone.melanin  # the same relief moves L* less on dark skin
    lab[..., 0] = tone.lab[0] + np.float32(depth) * (mottle * 1.0 + fine * np.float32(site.texture) + shade)
    lab[..., 1] = tone.lab[1] + np.float32(0.9) * noise(c, rng, 5)
    lab[..., 2] = tone.lab[2] + np.float32(0.7) * noise(c, rng, 4)
    return lab


def paint_hairs(c: Canvas, rng: Rng, lab: Field, tone: Tone, site: Site) -> Field:
    """Lay hairs over a CIELAB image, in place; their number follows the body site."""
    for _ in range(min(int(rng.poisson(site.hairs)), 5)):
        points = wave_points(rng, rng.uniform(0.5, 1.3), 0.03, 1.0, max(c.pixel * 0.8, 0.02))
        points = points + rng.uniform(-0.9, 0.9, 2).astype(np.float32)
        opacity = coverage(distance_to_points(c, points) - np.float32(0.008), max(0.02, 1.4 * c.pixel)) * np.float32(
            0.5
        )
        colour = np.array([22 + 14 * rng.random() * (1 - tone.melanin), 4, 7], np.float32)
        lab += opacity[..., None] * (colour - lab)
    return lab


def photograph(c: Canvas, rng: Rng, lab: Field) -> Field:
    """Expose a CIELAB scene: white balance, exposure, optical blur, sensor noise. sRGB in [0, 1]."""
    gains = np.exp(rng.normal(0, [0.018, 0.008, 0.022])).astype(np.float32)
    linear = linear_from_lab(lab) * gains * np.float32(np.exp(rng.normal(0, 0.035)))
    linear = _blur(linear, rng.uniform(0.0, 0.22) * max(1.0, c.size / 64))
    sigma = np.float32(rng.uniform(0.003, 0.011))
    shot = rng.standard_normal(linear.shape, dtype=np.float32) * np.sqrt(np.maximum(linear, 0.01)) * sigma
    return srgb_from_linear(linear + shot)


def _blur(image: Field, weight: float) -> Field:
    """A separable three-tap blur, repeated for large images; ``weight`` is each neighbour's share."""
    for _ in range(max(1, round(weight / 0.22))):
        w = np.float32(min(weight, 0.22))
        padded = np.pad(image, ((1, 1), (0, 0), (0, 0)), mode="edge")
        image = (1 - 2 * w) * image + w * (padded[:-2] + padded[2:])
        padded = np.pad(image, ((0, 0), (1, 1), (0, 0)), mode="edge")
        image = (1 - 2 * w) * image + w * (padded[:, :-2] + padded[:, 2:])
    return image.astype(np.float32)
