"""The seven conditions of Wang et al. 2024 as phantoms: distinct morphology, a look that follows the skin.

What changes with skin type follows the clinical literature on skin of colour (e.g. Lester et al. 2020,
"Absence of images of skin of colour in publications of COVID-19 skin manifestations"; Kelly and Taylor,
"Dermatology for Skin of Color"): erythema is red on light skin and violaceous to grey-brown, with less
contrast, on dark skin; scale is silvery on light and grey on dark skin; basal cell carcinoma is mostly
pigmented on dark skin; inflamed spots leave dark marks. The amounts are ours.

Each painter draws one lesion and returns its concept attributes; the same numbers draw and describe.
"""

from collections.abc import Callable

import numpy as np

from pipeline_steps.datasets.phantom.canvas import (
    Field,
    Outline,
    coverage,
    distance_to,
    distance_to_points,
    noise,
    outline,
    scatter,
    wave_points,
)
from pipeline_steps.datasets.phantom.scene import Scene, between, cover, jitter, lift, tint

Attributes = dict[str, str]
Painter = Callable[[Scene], Attributes]


def _erythema(s: Scene, strength: float) -> tuple[float, float, float]:
    light, dark = (-9.0, 19.0, 5.0), (-8.0, 5.0, -5.0)
    l_, a, b = jitter(s, between(s, light, dark), 1.2)
    return l_ * strength, a * strength, b * strength


def _place(s: Scene, room: float = 0.3) -> tuple[float, float]:
    x, y = s.rng.uniform(-room, room, 2)
    return float(x), float(y)


def _redness(s: Scene) -> str:
    return "red" if s.tone.melanin < 0.4 else "violaceous"


def _size(radius: float, small: float, large: float) -> str:
    return "small" if radius < small else "large" if radius > large else "medium"


def _symmetry(o: Outline) -> str:
    wobble = sum(abs(a) for _, a, _ in o.harmonics)
    return "symmetric" if wobble < 0.25 else "asymmetric"


def _dome(distance: Field, radius: float) -> Field:
    height: Field = np.sqrt(np.clip(-distance * (2 * radius + distance), 0, None)) * np.float32(0.5)
    return height


def _basal_cell_carcinoma(s: Scene) -> Attributes:
    """A pearly nodule with a rolled border and branching vessels; brown-black pigment on dark skin."""
    radius = float(s.rng.uniform(0.24, 0.42))
    o = outline(s.rng, _place(s), radius, 0.06, float(s.rng.uniform(0.85, 1.2)))
    d = distance_to(s.c, o)
    inside = coverage(d, 0.10)
    pearl = jitter(s, between(s, (4.0, 9.0, -4.0), (-7.0, 2.0, -2.0)), 1.2)
    tint(s, inside, pearl)
    rim = coverage(np.abs(d + 0.06) - 0.045, 0.07)
    tint(s, rim * inside, between(s, (6.0, -2.0, -4.0), (7.0, 0.0, -2.0)))
    lift(s, _dome(d, radius), 9.0)
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
        "symmetry": _symmetry(o),
        "elevation": "nodule",
        "texture": "ulcerated with vessels" if ulcer else "smooth with vessels",
        "arrangement": "solitary",
        "count": "one",
        "size": _size(radius, 0.29, 0.37),
    }


def _vessels(s: Scene, o: Outline, count: int) -> None:
    for _ in range(count):
        points = wave_points(s.rng, o.radius * s.rng.uniform(1.0, 1.6), 0.04, 1.3, max(0.02, s.c.pixel * 0.8))
        points = points + (np.array([o.x, o.y]) + s.rng.uniform(-0.35, 0.35, 2) * o.radius).astype(np.float32)
        line = coverage(distance_to_points(s.c, points) - np.float32(0.010), max(0.028, 1.6 * s.c.pixel))
        line *= coverage(distance_to(s.c, o), 0.06)
        tint(s, line * np.float32(0.85), between(s, (-15, 27, 9), (-9, 9, 1)))


def _folliculitis(s: Scene) -> Attributes:
    """Scattered follicular pustules: a pale head on an inflamed base, many of them."""
    count = int(s.rng.integers(6, 17))
    centres = scatter(s.rng, count, 0.78, 0.2) + np.array(_place(s, 0.1), np.float32)
    heads = 0
    for x, y in centres:
        r = float(s.rng.uniform(0.06, 0.1))
        d = np.hypot(s.c.x - x, s.c.y - y)
        tint(s, coverage(d - np.float32(r), 0.09), _erythema(s, float(s.rng.uniform(0.8, 1.2))))
        if s.rng.random() < 0.75:
            heads += 1
            head = coverage(d - np.float32(r * 0.38), 0.05) * np.float32(0.9)
            cover(s, head, jitter(s, between(s, (86, 2, 20), (63, 3, 14)), 2))
        if s.rng.random() < 0.4:
            hair = coverage(np.hypot(s.c.x - x, s.c.y - y - 0.02) - np.float32(0.008), 0.03)
            cover(s, hair * np.float32(0.8), (20, 3, 5))
    return {
        "colour": f"{_redness(s)} with pale heads" if heads else _redness(s),
        "border": "diffuse",
        "symmetry": "asymmetric",
        "elevation": "pustules" if heads else "papules",
        "texture": "smooth",
        "arrangement": "scattered",
        "count": "many" if len(centres) > 9 else "several",
        "size": "small",
    }


def _nematode_infection(s: Scene) -> Attributes:
    """Cutaneous larva migrans: a raised serpiginous track."""
    length = float(s.rng.uniform(0.9, 1.5))
    bends = float(s.rng.uniform(1.2, 2.8))
    spacing = max(0.03, 0.8 * s.c.pixel)
    points = wave_points(s.rng, length, float(s.rng.uniform(0.11, 0.2)), bends, spacing)
    points = points + np.array(_place(s, 0.2), np.float32)
    d = distance_to_points(s.c, points)
    width = float(s.rng.uniform(0.026, 0.042))
    tint(s, coverage(d - np.float32(width + 0.05), 0.12) * np.float32(0.35), _erythema(s, 0.8))
    tint(s, coverage(d - np.float32(width), 0.05), _erythema(s, float(s.rng.uniform(1.0, 1.35))))
    lift(s, coverage(d - np.float32(width), 0.07) * np.float32(0.05), 8.0)
    blister = s.rng.random() < 0.35
    if blister:
        d_end = np.hypot(s.c.x - points[-1, 0], s.c.y - points[-1, 1])
        tint(s, coverage(d_end - np.float32(0.07), 0.06), between(s, (9, 2, 2), (6, -1, -1)))
    return {
        "colour": _redness(s),
        "border": "sharp",
        "symmetry": "asymmetric",
        "elevation": "raised track",
        "texture": "blistered end" if blister else "smooth",
        "arrangement": "serpiginous",
        "count": "one",
        "size": _size(length, 1.05, 1.35),
    }


def _neutrophilic_dermatoses(s: Scene) -> Attributes:
    """A large oedematous plaque, deep red to violaceous, with a swollen edge and sometimes an ulcer."""
    radius = float(s.rng.uniform(0.4, 0.62))
    o = outline(s.rng, _place(s, 0.2), radius, 0.075, float(s.rng.uniform(0.75, 1.3)))
    d = distance_to(s.c, o)
    body = coverage(d, float(s.rng.uniform(0.05, 0.12)))
    deep = jitter(s, between(s, (-17, 19, -6), (-12, 5, -9)), 1.5)
    tint(s, body * (np.float32(0.88) + np.float32(0.1) * noise(s.c, s.rng, 6)), deep)
    edge = coverage(np.abs(d + 0.05) - 0.05, 0.08)
    lift(s, edge * np.float32(0.06), 9.0)
    ulcer = s.rng.random() < 0.4
    if ulcer:
        hole = outline(s.rng, (o.x, o.y), radius * float(s.rng.uniform(0.35, 0.55)), 0.12)
        floor = coverage(distance_to(s.c, hole), 0.06)
        cover(s, floor * np.float32(0.85), jitter(s, between(s, (55, 24, 22), (40, 14, 12)), 2))
    else:
        bumps = coverage(np.float32(1.1) - noise(s.c, s.rng, 9), 0.6) * coverage(d + 0.1, 0.08)
        tint(s, bumps * np.float32(0.8), between(s, (8, -4, 2), (6, -1, 1)))
    return {
        "colour": "dark red" if s.tone.melanin < 0.4 else "deep violaceous",
        "border": "swollen",
        "symmetry": _symmetry(o),
        "elevation": "plaque",
        "texture": "ulcerated" if ulcer else "blistered",
        "arrangement": "solitary",
        "count": "one",
        "size": _size(radius, 0.46, 0.55),
    }


def _prurigo_nodularis(s: Scene) -> Attributes:
    """A few firm dome nodules with a scratched, crusted top and a dark halo."""
    centres = scatter(s.rng, int(s.rng.integers(2, 7)), 0.6, 0.42) + np.array(_place(s, 0.1), np.float32)
    for x, y in centres:
        r = float(s.rng.uniform(0.13, 0.19))
        o = outline(s.rng, (float(x), float(y)), r, 0.05)
        d = distance_to(s.c, o)
        tint(s, coverage(d - np.float32(0.05), 0.14), jitter(s, between(s, (-9, 5, 5), (-8, 0, -3)), 0.8))
        tint(s, coverage(d, 0.06), jitter(s, between(s, (-4, 13, 5), (-3, 3, -1)), 1))
        lift(s, _dome(d, r), 11.0)
        top = outline(s.rng, (float(x), float(y)), r * float(s.rng.uniform(0.35, 0.55)), 0.2)
        crust = coverage(distance_to(s.c, top), 0.05)
        cover(s, crust * np.float32(0.85), jitter(s, between(s, (36, 17, 13), (22, 8, 5)), 2))
    return {
        "colour": "brown red" if s.tone.melanin < 0.4 else "dark brown",
        "border": "haloed",
        "symmetry": "symmetric",
        "elevation": "nodules",
        "texture": "excoriated",
        "arrangement": "grouped",
        "count": "several" if len(centres) > 3 else "few",
        "size": "medium",
    }


def _psoriasis(s: Scene) -> Attributes:
    """Well demarcated plaques under silvery (grey on dark skin) scale."""
    count = 1 if s.rng.random() < 0.6 else int(s.rng.integers(2, 4))
    spread = 0.15 if count == 1 else 0.55
    centres = scatter(s.rng, count, spread, 0.65)
    radius = 0.0
    for x, y in centres:
        r = float(s.rng.uniform(0.36, 0.56) if count == 1 else s.rng.uniform(0.24, 0.36))
        radius = max(radius, r)
        o = outline(s.rng, (float(x), float(y)), r, 0.06, float(s.rng.uniform(0.75, 1.3)))
        d = distance_to(s.c, o)
        tint(s, coverage(d, 0.045), _erythema(s, float(s.rng.uniform(0.9, 1.2))))
        amount = np.float32(s.rng.uniform(-0.3, 0.35))
        flakes = coverage(amount - noise(s.c, s.rng, 22), 0.9) * coverage(d + 0.04, 0.05)
        scale = jitter(s, between(s, (88, 2, 3), (62, 1, 1)), 1.5)
        cover(s, flakes * np.float32(s.rng.uniform(0.7, 0.92)), scale)
    return {
        "colour": f"{_redness(s)} with {'silvery' if s.tone.melanin < 0.4 else 'grey'} scale",
        "border": "sharp",
        "symmetry": "symmetric" if count == 1 else "asymmetric",
        "elevation": "plaque",
        "texture": "scaly",
        "arrangement": "solitary" if count == 1 else "grouped",
        "count": "one" if count == 1 else "few",
        "size": _size(radius, 0.34, 0.46),
    }


def _squamous_cell_carcinoma(s: Scene) -> Attributes:
    """A firm keratotic nodule: yellow-brown crust or horn with dark fissures on an inflamed base."""
    radius = float(s.rng.uniform(0.26, 0.44))
    o = outline(s.rng, _place(s), radius, 0.075, float(s.rng.uniform(0.8, 1.25)))
    d = distance_to(s.c, o)
    tint(s, coverage(d - np.float32(0.04), 0.16), _erythema(s, float(s.rng.uniform(0.7, 1.05))))
    lift(s, _dome(d, radius), 10.0)
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
        "symmetry": _symmetry(o),
        "elevation": "nodule",
        "texture": "crusted and fissured" if ulcer else "crusted",
        "arrangement": "solitary",
        "count": "one",
        "size": _size(radius, 0.31, 0.38),
    }


CONDITIONS: dict[str, Painter] = {
    "basal cell carcinoma": _basal_cell_carcinoma,
    "folliculitis": _folliculitis,
    "nematode infection": _nematode_infection,
    "neutrophilic dermatoses": _neutrophilic_dermatoses,
    "prurigo nodularis": _prurigo_nodularis,
    "psoriasis": _psoriasis,
    "squamous cell carcinoma": _squamous_cell_carcinoma,
}
