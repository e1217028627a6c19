"""A picture in the making: skin in CIELAB, a lesion mask, and the few ways to paint on them."""

from dataclasses import dataclass

import numpy as np

from pipeline_steps.datasets.phantom.canvas import Canvas, Field, Rng, relief
from pipeline_steps.datasets.phantom.skin import Tone

Lab = tuple[float, float, float]


@dataclass
class Scene:
    """``lab`` (H, W, 3) and ``mask`` (H, W, opacity of the lesion) are painted in place."""

    c: Canvas
    rng: Rng
    tone: Tone
    lab: Field
    mask: Field
    light: float


def tint(s: Scene, opacity: Field, delta: Lab) -> None:
    """Shift the colour by ``delta`` (L*, a*, b*) where ``opacity`` is 1: the skin's texture stays."""
    s.lab += opacity[..., None] * np.array(delta, np.float32)
    np.maximum(s.mask, opacity, out=s.mask)


def cover(s: Scene, opacity: Field, colour: Lab) -> None:
    """Paint an opaque ``colour`` (L*, a*, b*): what lies below disappears where ``opacity`` is 1."""
    s.lab += opacity[..., None] * (np.array(colour, np.float32) - s.lab)
    np.maximum(s.mask, opacity, out=s.mask)


def lift(s: Scene, height: Field, gain: float) -> None:
    """Light a raised surface from the scene's light: ``gain`` is the L* swing on light skin."""
    s.lab[..., 0] += np.float32(gain * (1 - 0.4 * s.tone.melanin)) * relief(s.c, height, s.light)


def between(s: Scene, light_skin: Lab, dark_skin: Lab) -> Lab:
    """A colour that goes from ``light_skin`` to ``dark_skin`` with the skin's melanin."""
    m = s.tone.melanin
    a, b, c = (p + m * (q - p) for p, q in zip(light_skin, dark_skin, strict=True))
    return a, b, c


def jitter(s: Scene, colour: Lab, spread: float) -> Lab:
    """``colour`` moved by normal noise of ``spread`` in each coordinate."""
    a, b, c = (float(v + spread * s.rng.normal()) for v in colour)
    return a, b, c
