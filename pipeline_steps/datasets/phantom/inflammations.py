"""The five conditions that are no tumours, as phantoms; see ``conditions``."""

import numpy as np

from pipeline_steps.datasets.phantom.canvas import (
    coverage,
    distance_to,
    distance_to_points,
    noise,
    outline,
    scatter,
    wave_points,
)
from pipeline_steps.datasets.phantom.lesion_parts import Attributes, dome, erythema, place, redness, size_word, symmetry
from pipeline_steps.datasets.phantom.scene import Scene, between, cover, jitter, lift, tint


def folliculitis(s: Scene) -> Attributes:
    """Scattered follicular pustules: a pale head on an inflamed base, many of them."""
    count = int(s.rng.integers(6, 17))
    centres = scatter(s.rng, count, 0.78, 0.2) + np.array(place(s, 0.1), np.float32)
    heads = 0
    for x, y in centres:
        r = float(s.rng.uniform(0.06, 0.1))
        d = np.hypot(s.c.x - x, s.c.y - y)
        tint(s, coverage(d - np.float32(r), 0.09), erythema(s, float(s.rng.uniform(0.8, 1.2))))
        if s.rng.random() < 0.75:
            heads += 1
            head = coverage(d - np.float32(r * 0.38), 0.05) * np.float32(0.9)
            cover(s, head, jitter(s, between(s, (86, 2, 20), (63, 3, 14)), 2))
        if s.rng.random() < 0.4:
            hair = coverage(np.hypot(s.c.x - x, s.c.y - y - 0.02) - np.float32(0.008), 0.03)
            cover(s, hair * np.float32(0.8), (20, 3, 5))
    return {
        "colour": f"{redness(s)} with pale heads" if heads else redness(s),
        "border": "diffuse",
        "symmetry": "asymmetric",
        "elevation": "pustules" if heads else "papules",
        "texture": "smooth",
        "arrangement": "scattered",
        "count": "many" if len(centres) > 9 else "several",
        "size": "small",
    }


def nematode_infection(s: Scene) -> Attributes:
    """Cutaneous larva migrans: a raised serpiginous track."""
    length = float(s.rng.uniform(0.9, 1.5))
    bends = float(s.rng.uniform(1.2, 2.8))
    spacing = max(0.03, 0.8 * s.c.pixel)
    points = wave_points(s.rng, length, float(s.rng.uniform(0.11, 0.2)), bends, spacing)
    points = points + np.array(place(s, 0.2), np.float32)
    d = distance_to_points(s.c, points)
    width = float(s.rng.uniform(0.026, 0.042))
    tint(s, coverage(d - np.float32(width + 0.05), 0.12) * np.float32(0.35), erythema(s, 0.8))
    tint(s, coverage(d - np.float32(width), 0.05), erythema(s, float(s.rng.uniform(1.0, 1.35))))
    lift(s, coverage(d - np.float32(width), 0.07) * np.float32(0.05), 8.0)
    blister = s.rng.random() < 0.35
    if blister:
        d_end = np.hypot(s.c.x - points[-1, 0], s.c.y - points[-1, 1])
        tint(s, coverage(d_end - np.float32(0.07), 0.06), between(s, (9, 2, 2), (6, -1, -1)))
    return {
        "colour": redness(s),
        "border": "sharp",
        "symmetry": "asymmetric",
        "elevation": "raised track",
        "texture": "blistered end" if blister else "smooth",
        "arrangement": "serpiginous",
        "count": "one",
        "size": size_word(length, 1.05, 1.35),
    }


def neutrophilic_dermatoses(s: Scene) -> Attributes:
    """A large oedematous plaque, deep red to violaceous, with a swollen edge and sometimes an ulcer."""
    radius = float(s.rng.uniform(0.4, 0.62))
    o = outline(s.rng, place(s, 0.2), radius, 0.075, float(s.rng.uniform(0.75, 1.3)))
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
        "symmetry": symmetry(o),
        "elevation": "plaque",
        "texture": "ulcerated" if ulcer else "blistered",
        "arrangement": "solitary",
        "count": "one",
        "size": size_word(radius, 0.46, 0.55),
    }


def prurigo_nodularis(s: Scene) -> Attributes:
    """A few firm dome nodules with a scratched, crusted top and a dark halo."""
    centres = scatter(s.rng, int(s.rng.integers(2, 7)), 0.6, 0.42) + np.array(place(s, 0.1), np.float32)
    for x, y in centres:
        r = float(s.rng.uniform(0.13, 0.19))
        o = outline(s.rng, (float(x), float(y)), r, 0.05)
        d = distance_to(s.c, o)
        tint(s, coverage(d - np.float32(0.05), 0.14), jitter(s, between(s, (-9, 5, 5), (-8, 0, -3)), 0.8))
        tint(s, coverage(d, 0.06), jitter(s, between(s, (-4, 13, 5), (-3, 3, -1)), 1))
        lift(s, dome(d, r), 11.0)
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


def psoriasis(s: Scene) -> Attributes:
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
        tint(s, coverage(d, 0.045), erythema(s, float(s.rng.uniform(0.9, 1.2))))
        amount = np.float32(s.rng.uniform(-0.3, 0.35))
        flakes = coverage(amount - noise(s.c, s.rng, 22), 0.9) * coverage(d + 0.04, 0.05)
        scale = jitter(s, between(s, (88, 2, 3), (62, 1, 1)), 1.5)
        cover(s, flakes * np.float32(s.rng.uniform(0.7, 0.92)), scale)
    return {
        "colour": f"{redness(s)} with {'silvery' if s.tone.melanin < 0.4 else 'grey'} scale",
        "border": "sharp",
        "symmetry": "symmetric" if count == 1 else "asymmetric",
        "elevation": "plaque",
        "texture": "scaly",
        "arrangement": "solitary" if count == 1 else "grouped",
        "count": "one" if count == 1 else "few",
        "size": size_word(radius, 0.34, 0.46),
    }
