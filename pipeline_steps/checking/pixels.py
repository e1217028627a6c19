"""What pictures look like: a seeded sample is decoded as ``ingest`` would, and the worst are put aside to be seen."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from pipeline_steps.checking.found import Findings
from pipeline_steps.datasets.source import OF_MASK, Loaded, Source
from pipeline_steps.pixels.images import Pixels, digest
from pipeline_steps.pixels.quality import image_quality
from pipeline_steps.records.manifest import PRESENT
from pipeline_steps.stage.errors import BadImageError
from pipeline_steps.stage.progress import Track

_CHUNK = 128  # images in memory at once
_WORST = 12  # pictures of a kind on the page
_NOT_STUDIED = "unreadable"
# Of rows and their quality (N, 3): sharpness, lightness and flags, a row an image.
Quality = Callable[[pd.DataFrame, npt.NDArray[np.float64]], pd.DataFrame]


class Seen(NamedTuple):
    """A picture of the page: its image, why it is there, how bad it is (less is worse), and how it looks, if at all."""

    image_id: str
    reason: str
    rank: float
    pixels: Pixels | None


@dataclass
class Looked:
    """What was found: how many images were looked at, and how long; counts by kind, and the worst of each kind."""

    images: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    worst: dict[str, list[Seen]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def note(self, kind: str, seen: Seen) -> None:
        """Count an image as of a kind, and keep it if it is among the worst."""
        self.counts[kind] += 1
        kept = sorted([*self.worst.get(kind, []), seen], key=lambda one: (one.rank, one.image_id))
        self.worst[kind] = kept[:_WORST]


def sample(there: Sequence[bool], most: int, seed: int) -> list[int]:
    """Positions of images to look at: all that are there, or ``most`` of them by lot (0: all)."""
    positions = np.flatnonzero(there)
    drawn = positions if not most else np.random.default_rng(seed).permutation(positions)[:most]
    return sorted(map(int, drawn))


def look(
    source: Source,
    positions: Sequence[int],
    places: Sequence[Path | None],
    quality: Quality,
    limits: tuple[int, Sequence[float]],
) -> Looked:
    """Decode the images at ``positions``; ``limits``: the side that ingest brings them to, and the areas of a mask."""
    looked, size, started = Looked(), limits[0], time.monotonic()
    with ThreadPoolExecutor(source.threads) as pool:
        for first in Track(range(0, len(positions), _CHUNK), "pixels", -(-len(positions) // _CHUNK)):
            chunk = positions[first : first + _CHUNK]
            outcomes = list(pool.map(lambda i: _tried(source, i), chunk))
            looked.images += len(chunk)
            loaded = [(i, o) for i, o in zip(chunk, outcomes, strict=True) if not isinstance(o, str)]
            for position, reason in zip(chunk, outcomes, strict=True):
                if isinstance(reason, str):
                    _unreadable(looked, str(source.table["image_id"].iloc[position]), reason)
            _look_at(looked, source.table, loaded, quality, limits[1])
            for position, one in loaded:
                _look_at_file(looked, str(source.table["image_id"].iloc[position]), places[position], one, size)
    looked.seconds = time.monotonic() - started
    return looked


def _tried(source: Source, position: int) -> Loaded | str:
    try:
        return source.load(position)
    except FileNotFoundError:
        return "its file is gone"
    except BadImageError as error:
        return str(error)


def _unreadable(looked: Looked, image_id: str, reason: str) -> None:
    kind = "odd masks" if reason.startswith(OF_MASK) else _NOT_STUDIED
    looked.reasons[reason.partition(":")[0] if kind == _NOT_STUDIED else reason.removeprefix(OF_MASK)[:60]] += 1
    looked.note(kind, Seen(image_id, reason, -1.0, None))


def _look_at(
    looked: Looked,
    table: pd.DataFrame,
    loaded: Sequence[tuple[int, Loaded]],
    quality: Quality,
    areas: Sequence[float],
) -> None:
    """Sharpness and light of loaded images, copies among them, and whether their masks are of a likely size."""
    if not loaded:
        return
    rows = table.iloc[[position for position, _ in loaded]].reset_index(drop=True)
    images = np.stack([one.pixels for _, one in loaded])
    sums = [digest(pixels) for pixels in images]
    rows = rows.assign(image_status=PRESENT, has_mask=False, sha256=sums)
    measured = quality(rows, np.array([image_quality(image) for image in images]))
    ranks = {"blurred": measured["sharpness"], "dark": measured["lightness"], "bright": -measured["lightness"]}
    for i, image_id in enumerate(map(str, rows["image_id"])):
        for flag in str(measured["flags"].iloc[i]).split():
            value = float(ranks[flag].iloc[i])
            looked.note(flag, Seen(image_id, f"{flag}: {abs(value):.1f}", value, images[i]))
        if (twin := looked.digests.setdefault(sums[i], image_id)) != image_id:
            looked.note("copies", Seen(image_id, f"the same pixels as {twin}", 0.0, images[i]))
        mask = loaded[i][1].mask
        if mask is not None and not areas[0] <= mask.mean() <= areas[1]:
            shown = np.where(mask[..., None], images[i], images[i] // 3)
            said = f"marks {100 * mask.mean():.1f} % of the image"
            looked.note("odd masks", Seen(image_id, said, float(min(mask.mean(), 1 - mask.mean())), shown))


def _look_at_file(looked: Looked, image_id: str, place: Path | None, loaded: Loaded, size: int) -> None:
    """Whether a file is smaller than the side that it is brought to."""
    if place is None:
        return
    with Image.open(place) as image:
        side = min(image.size)
    if side < size:
        looked.note("tiny", Seen(image_id, f"{image.size[0]} x {image.size[1]} pixels", side, loaded.pixels))


def describe(looked: Looked, of: int, size: int, found: Findings) -> None:
    """The counts, and the commonest reasons."""
    words = {"tiny": f"smaller than {size} pixels", "copies": "copies of others", "odd masks": "with odd masks"}
    kinds = [f"{n} {words.get(kind, kind)}" for kind, n in looked.counts.most_common()]
    found.say("pixels", f"{looked.images} of {of} looked at: {', '.join(kinds) or 'nothing amiss'}")
    if looked.reasons:
        told = "; ".join(f"{reason} ({n})" for reason, n in looked.reasons.most_common(3))
        found.say("pixels", f"left out, by reason: {told}")
    if looked.images and looked.counts[_NOT_STUDIED] == looked.images:
        found.stop("ingest: none of the pictures can be read; save them as JPEG or PNG")
