"""Basal cell carcinoma and squamous cell carcinoma as phantoms; see ``conditions``."""

import numpy as np

from pipeline_steps.datasets.phantom.canvas import (
    Outline,
    coverage,
    distance_to,
    distance_to_points,
    noise,
    outline,
    wave_points,
)
from pipeline_steps.datasets.phantom.lesion_parts import Attributes, dome, erythema, place, size_word, symmetry
from pipeline_steps.datasets.phantom.scene import Scene, between, cover, jitter, lift, tint


def basal_cell_carcinoma(s: Scene) -> Attributes:
    """A pearly nodule with a rolled border and branching vessels; brown-black pigment on dark skin."""
    radius = float(s.rng.uniform(0.24, 0.42))
    o = outline(s.rng, place(s), radius, 0.06, float(s.rng.uniform(0.85, 1.2)))
    d = distance_to(s.c, o)
    inside = coverage(d, 0.10)
    pearl = jitter(s, between(s, (4.0, 9.0, -4.0), (-7.0, 2.0, -2.0)), 1.2)
    tint(s, inside, pearl)
    rim = coverage(np.abs(d + 0.06) - 0.045, 0.07)
    tint(s, rim * inside, between(s, (6.0, -2.0, -4.0), (7.0, 0.0, -2.0)))
    lift(s, dome(d, radius), 9.0)
    _vessels(s, o, int(s.rng.integers(3, 6)))
    pigmented = s.rng.random() < 0.08 + 0.75 * s.tone.melanin
    if pigmented:
        globules = coverage(np.float32(0.55) - noise(s.c, s.rng, 9), 0.5) * coverage(d + 0.08, 0.1)
        cover(s, globules * np.float32(0.8), jitter(s, (24, 4, 4), 2))
    ulcer = s.rng.random() < 0.3
    if ulcer:
        hole = outline(s.rng, (o.x, o.y), radius * 0.3, 0.15)
        cover(s, coverage(distance_to(s.c, hole), 0.06), between(s, (44, 30, 16), (28, 16, 8)))
    return {
        "colour": "pigmented" if pigmented else "pearly",
        "border": "rolled",
        "symmetry": symmetry(o),
        "elevation": "nodule",
        "texture": "ulcerated with vessels" if ulcer else "smooth with vessels",
        "arrangement": "solitary",
        "count": "one",
        "size": size_word(radius, 0.29, 0.37),
    }


def _vessels(s: Scene, o: Outline, count: int) -> None:
    for _ in range(count):
        points = wave_points(s.rng, o.radius * s.rng.uniform(1.0, 1.6), 0.04, 1.3, max(0.02, s.c.pixel * 0.8))
        points = points + (np.array([o.x, o.y]) + s.rng.uniform(-0.35, 0.35, 2) * o.radius).astype(np.float32)
        line = coverage(distance_to_points(s.c, points) - np.float32(0.010), max(0.028, 1.6 * s.c.pixel))
        line *= coverage(distance_to(s.c, o), 0.06)
        tint(s, line * np.float32(0.85), between(s, (-15, 27, 9), (-9, 9, 1)))


def squamous_cell_carcinoma(s: Scene) -> Attributes:
    """A firm keratotic nodule: yellow-brown crust or horn with dark fissures on an inflamed base."""
    radius = float(s.rng.uniform(0.26, 0.44))
    o = outline(s.rng, place(s), radius, 0.075, float(s.rng.uniform(0.8, 1.25)))
    d = distance_to(s.c, o)
    tint(s, coverage(d - np.float32(0.04), 0.16), erythema(s, float(s.rng.uniform(0.7, 1.05))))
    lift(s, dome(d, radius), 10.0)
    crust = outline(s.rng, (o.x, o.y), radius * float(s.rng.uniform(0.55, 0.8)), 0.12)
    d_crust = distance_to(s.c, crust)
    grain = coverage(d_crust + np.float32(0.05) * noise(s.c, s.rng, 14), 0.06)
    cover(s, grain * np.float32(0.9), jitter(s, between(s, (64, 9, 33), (45, 7, 20)), 2.5))
    rough = noise(s.c, s.rng, 12) * coverage(d_crust, 0.05)
    s.lab[..., 0] += np.float32(5.5) * rough
    fissures = coverage(np.abs(noise(s.c, s.rng, 7)) - np.float32(0.1), 0.22) * coverage(d_crust + 0.03, 0.05)
    ulcer = s.rng.random() < 0.5
    if ulcer:
        cover(s, fissures * np.float32(0.9), jitter(s, between(s, (26, 22, 13), (17, 9, 5)), 2))
    return {
        "colour": "yellow brown",
        "border": "irregular",
        "symmetry": symmetry(o),
        "elevation": "nodule",
        "texture": "crusted and fissured" if ulcer else "crusted",
        "arrangement": "solitary",
        "count": "one",
        "size": size_word(radius, 0.31, 0.38),
    }
