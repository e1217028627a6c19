"""Render phantoms from (what, skin type, seed): the same arguments give the same bytes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_steps.datasets.phantom.canvas import canvas, noise
from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.marks import Mark, caption, draw_marks, paint_marks
from pipeline_steps.datasets.phantom.scene import Scene
from pipeline_steps.datasets.phantom.skin import SITES, draw_tone, paint_hairs, paint_skin, photograph


@dataclass(frozen=True)
class Phantom:
    """An image (H, W, 3) uint8 sRGB, its lesion mask (H, W) bool, and what it shows."""

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    attributes: dict[str, str]


@dataclass(frozen=True)
class MarkedSkin:
    """A base-model training image (H, W, 3) uint8 with its caption and its marks."""

    image: npt.NDArray[np.uint8]
    caption: str
    marks: tuple[Mark, ...]


def render_condition(condition: str, skin_type: int, seed: int, size: int = 64) -> Phantom:
    """Render one of the seven conditions on skin of one type.

    Raises:
        KeyError: ``condition`` is not one of ``CONDITIONS``.
    """
    rng = np.random.default_rng([seed, skin_type, 1])
    s, site = _scene(rng, skin_type, size)
    attributes = {**CONDITIONS[condition](s), "site": site}
    return Phantom(_develop(s, site), s.mask > 0.25, attributes)


def render_marks(skin_type: int, seed: int, size: int = 64, marks: tuple[Mark, ...] | None = None) -> MarkedSkin:
    """Render generic marks (drawn from the seed unless given) with their caption."""
    rng = np.random.default_rng([seed, skin_type, 2])
    what = draw_marks(rng) if marks is None else marks
    together = len(what) == 2 and bool(rng.random() < 0.5)
    s, site = _scene(rng, skin_type, size)
    paint_marks(s, what, together)
    words = caption(rng, what, together, skin_type)
    return MarkedSkin(_develop(s, site), words, what)


def _scene(rng: np.random.Generator, skin_type: int, size: int) -> tuple[Scene, str]:
    c = canvas(size)
    site = str(rng.choice(list(SITES)))
    tone = draw_tone(rng, skin_type)
    lab = paint_skin(c, rng, tone, SITES[site])
    mask = np.zeros((size, size), np.float32)
    return Scene(c, rng, tone, lab, mask, float(rng.uniform(0, 2 * np.pi))), site


def _develop(s: Scene, site: str) -> npt.NDArray[np.uint8]:
    s.lab[..., 0] += np.float32(0.5) * noise(s.c, s.rng, 30)
    paint_hairs(s.c, s.rng, s.lab, s.tone, SITES[site])
    return np.round(photograph(s.c, s.rng, s.lab) * 255).astype(np.uint8)
