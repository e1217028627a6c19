"""Generic marks: what the shipped base models know of skin before they see a condition.

Plain geometry in plain colours, alone or in pairs, on all six skin types. None of the seven conditions is
drawn here; several of their ingredients (a patch, flecks, a bump, lines) are, as in any photo collection.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline_steps.datasets.phantom.canvas import (
    Field,
    coverage,
    distance_to,
    distance_to_points,
    noise,
    outline,
    scatter,
    wave_points,
)
from pipeline_steps.datasets.phantom.scene import Lab, Scene, cover, lift

COLOURS: dict[str, Lab] = {
    "red": (46, 50, 28),
    "pink": (68, 32, 8),
    "purple": (36, 26, -24),
    "brown": (34, 16, 22),
    "black": (14, 2, 2),
    "white": (92, 0, 3),
    "grey": (60, 0, -2),
    "yellow": (76, 6, 50),
    "orange": (62, 32, 46),
}
SIZES = {"small": 0.65, "": 1.0, "large": 1.45}
TONE_PHRASES = {
    1: "a very light-skinned",
    2: "a light-skinned",
    3: "a light-brown-skinned",
    4: "a brown-skinned",
    5: "a dark-skinned",
    6: "a very dark-skinned",
}


@dataclass(frozen=True)
class Mark:
    """One mark to draw: ``kind`` of ``KINDS``, ``colour`` of ``COLOURS``, ``size`` of ``SIZES``."""

    kind: str
    colour: str
    size: str

    def words(self) -> str:
        """How captions name it, without an article: ``small red ring``."""
        return " ".join(w for w in (self.size, self.colour, self.kind) if w)


def draw_marks(rng: np.random.Generator) -> tuple[Mark, ...]:
    """Draw what to paint: nothing (6 %), one mark (54 %) or two."""
    count = int(rng.choice([0, 1, 2], p=[0.06, 0.54, 0.40]))
    kinds = rng.choice(list(KINDS), size=count, replace=False)
    return tuple(Mark(str(k), str(rng.choice(list(COLOURS))), str(rng.choice(list(SIZES)))) for k in kinds)


def paint_marks(s: Scene, marks: tuple[Mark, ...], together: bool) -> None:
    """Paint ``marks`` in order; ``together`` puts them on one place, else each has its own."""
    centre = s.rng.uniform(-0.25, 0.25, 2)
    for i, mark in enumerate(marks):
        if not together and len(marks) > 1:
            angle = s.rng.uniform(0, 2 * np.pi)
            centre = (np.array([np.cos(angle), np.sin(angle)]) * 0.4) * (1 if i == 0 else -1)
        KINDS[mark.kind](s, (float(centre[0]), float(centre[1])), SIZES[mark.size], _under(s, mark.colour))


def caption(rng: np.random.Generator, marks: tuple[Mark, ...], together: bool, skin_type: int) -> str:
    """A caption in one of several phrasings; the first is the one that the pipeline's prompts use."""
    tone = TONE_PHRASES[skin_type]
    link = "with" if together else "and"
    what = f" {link} ".join(f"{_article(m)} {m.words()}" for m in marks) if marks else "healthy skin"
    plain = tone.removeprefix("a ").removesuffix("-skinned").replace("-", " ")
    forms = (
        f"An image of {what} on the skin of {tone} individual",
        f"A photo of {what} on the skin of {tone} person",
        f"{what} on {plain} skin",
        f"A close-up of {plain} skin showing {what}",
    )
    return str(rng.choice(forms, p=[0.55, 0.15, 0.15, 0.15]))


def _article(mark: Mark) -> str:
    if mark.kind.endswith("s"):
        return "some"
    return "an" if mark.words()[0] in "aeiou" else "a"


def _under(s: Scene, colour: str) -> Lab:
    """A named colour as it looks on this skin: darker light, duller chroma where melanin filters it."""
    l_, a, b = COLOURS[colour]
    m, dull = s.tone.melanin, 1 - 0.3 * s.tone.melanin
    noise_ = s.rng.normal(0, 2.0, 3)
    return float(l_ * (1 - 0.32 * m) + noise_[0]), float(a * dull + noise_[1]), float(b * dull + noise_[2])


Centre = tuple[float, float]
MarkPainter = Callable[[Scene, Centre, float, Lab], None]


def _opaque(s: Scene, shape: Field, colour: Lab) -> None:
    cover(s, shape * np.float32(s.rng.uniform(0.72, 0.95)), colour)


def _disc(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    o = outline(s.rng, at, 0.3 * size, 0.02, float(s.rng.uniform(0.85, 1.2)))
    _opaque(s, coverage(distance_to(s.c, o), float(s.rng.uniform(0.04, 0.1))), colour)


def _ring(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    d = distance_to(s.c, outline(s.rng, at, 0.36 * size, 0.03, float(s.rng.uniform(0.85, 1.2))))
    _opaque(s, coverage(np.abs(d) - np.float32(0.05 + 0.02 * size), 0.06), colour)


def _patch(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    o = outline(s.rng, at, 0.42 * size, 0.07, float(s.rng.uniform(0.75, 1.3)))
    shape = coverage(distance_to(s.c, o), float(s.rng.uniform(0.04, 0.16)))
    _opaque(s, shape * (np.float32(0.85) + np.float32(0.1) * noise(s.c, s.rng, 6)), colour)


def _points(s: Scene, at: Centre, count: int, spread: float, gap: float) -> Field:
    return scatter(s.rng, count, spread, gap) + np.array(at, np.float32) * np.float32(0.4)


def _dots(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    d = distance_to_points(s.c, _points(s, at, int(s.rng.integers(5, 15)), 0.72, 0.22))
    _opaque(s, coverage(d - np.float32(0.065 * size), 0.05), colour)


def _flecks(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    o = outline(s.rng, at, 0.42 * size, 0.06, float(s.rng.uniform(0.8, 1.25)))
    amount = np.float32(s.rng.uniform(-0.5, 0.1))
    grain = coverage(amount - noise(s.c, s.rng, int(s.rng.integers(15, 24))), 0.8)
    _opaque(s, grain * coverage(distance_to(s.c, o), 0.06), colour)


def _straight_line(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    points = wave_points(s.rng, 1.0 * size, 0.0, 0.0, 0.03) + np.array(at, np.float32)
    _opaque(s, coverage(distance_to_points(s.c, points) - np.float32(0.03), 0.05), colour)


def _wavy_line(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    amplitude, bends = float(s.rng.uniform(0.1, 0.2)), float(s.rng.uniform(1.2, 3))
    points = wave_points(s.rng, 1.05 * size, amplitude, bends, 0.035) + np.array(at, np.float32) * 0.6
    _opaque(s, coverage(distance_to_points(s.c, points) - np.float32(0.035), 0.05), colour)


def _star(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    """Thin lines that branch out from one place."""
    for angle in s.rng.uniform(0, 2 * np.pi) + np.arange(5) * 2 * np.pi / 5 + s.rng.normal(0, 0.2, 5):
        t = np.linspace(0, 0.42 * size, 14)
        bend = angle + s.rng.uniform(-0.8, 0.8) * t
        points = np.stack([at[0] + t * np.cos(bend), at[1] + t * np.sin(bend)], 1).astype(np.float32)
        _opaque(s, coverage(distance_to_points(s.c, points) - np.float32(0.015), 0.045), colour)


def _bump(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    """A raised dome, coloured half-transparently and lit from one side."""
    o = outline(s.rng, at, 0.3 * size, 0.04, float(s.rng.uniform(0.85, 1.2)))
    d = distance_to(s.c, o)
    cover(s, coverage(d, 0.08) * np.float32(0.55), colour)
    radius = o.radius
    lift(s, np.sqrt(np.clip(-d * (2 * radius + d), 0, None)) * np.float32(0.5), 12.0)


def _bumps(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    for x, y in _points(s, at, int(s.rng.integers(3, 7)), 0.6, 0.42):
        _bump(s, (float(x), float(y)), size * 0.5, colour)


def _crust(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    """A rough grainy patch with dark cracks."""
    d = distance_to(s.c, outline(s.rng, at, 0.34 * size, 0.1))
    shape = coverage(d + np.float32(0.05) * noise(s.c, s.rng, 14), 0.06)
    _opaque(s, shape, colour)
    s.lab[..., 0] += np.float32(6) * noise(s.c, s.rng, 12) * shape
    cracks = coverage(np.abs(noise(s.c, s.rng, 7)) - np.float32(0.1), 0.22) * coverage(d + 0.04, 0.05)
    s.lab[..., 0] -= np.float32(14) * cracks


def _target(s: Scene, at: Centre, size: float, colour: Lab) -> None:
    """A disc of one colour with a pale middle."""
    d = distance_to(s.c, outline(s.rng, at, 0.32 * size, 0.02))
    _opaque(s, coverage(d, 0.06), colour)
    pale = (s.tone.lab[0] + 12, s.tone.lab[1] * 0.5, s.tone.lab[2] * 0.7)
    cover(s, coverage(d + np.float32(0.2 * size), 0.05) * np.float32(0.9), pale)


KINDS: dict[str, MarkPainter] = {
    "disc": _disc,
    "ring": _ring,
    "patch": _patch,
    "dots": _dots,
    "flecks": _flecks,
    "straight line": _straight_line,
    "wavy line": _wavy_line,
    "star": _star,
    "bump": _bump,
    "bumps": _bumps,
    "crust": _crust,
    "target": _target,
}
