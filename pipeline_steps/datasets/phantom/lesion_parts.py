"""What the painters of lesions share: redness that follows the skin, places, domes, and words for what was drawn."""

from collections.abc import Callable

import numpy as np

from pipeline_steps.datasets.phantom.canvas import Field, Outline
from pipeline_steps.datasets.phantom.scene import Scene, between, jitter

Attributes = dict[str, str]
Painter = Callable[[Scene], Attributes]


def erythema(s: Scene, strength: float) -> tuple[float, float, float]:
    """How inflamed skin differs in CIELAB from the skin around it, with some chance in it."""
    light, dark = (-9.0, 19.0, 5.0), (-8.0, 5.0, -5.0)
    l_, a, b = jitter(s, between(s, light, dark), 1.2)
    return l_ * strength, a * strength, b * strength


def place(s: Scene, room: float = 0.3) -> tuple[float, float]:
    """A random centre within ``room`` of the image's; an image's sides are 2 long."""
    x, y = s.rng.uniform(-room, room, 2)
    return float(x), float(y)


def redness(s: Scene) -> str:
    """The word for inflamed skin of this tone."""
    return "red" if s.tone.melanin < 0.4 else "violaceous"


def size_word(radius: float, small: float, large: float) -> str:
    """The word for a lesion's size."""
    return "small" if radius < small else "large" if radius > large else "medium"


def symmetry(o: Outline) -> str:
    """The word for an outline's symmetry."""
    wobble = sum(abs(a) for _, a, _ in o.harmonics)
    return "symmetric" if wobble < 0.25 else "asymmetric"


def dome(distance: Field, radius: float) -> Field:
    """The height of a dome whose edge is where the signed ``distance`` is 0."""
    height: Field = np.sqrt(np.clip(-distance * (2 * radius + distance), 0, None)) * np.float32(0.5)
    return height
