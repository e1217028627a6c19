"""Images that were decoded before: by what their files hold, and how they are decoded."""

import json

import numpy as np

from pipeline_steps.datasets.source import Loaded
from pipeline_steps.items.store import ItemStore


def known_image(key: str, store: ItemStore) -> Loaded | None:
    """What was loaded before under ``key`` of a ``Source``, or None."""
    stored = store.get(key) if key else None
    return None if stored is None else _loaded(stored)


def keep_image(key: str, loaded: Loaded, store: ItemStore) -> None:
    """Have ``known_image`` know it, if it has a key."""
    if key:
        store.keep({key: _bytes(loaded)})


def _bytes(loaded: Loaded) -> bytes:
    """A line of JSON, the pixels, and eight pixels of the mask in a byte."""
    pixels, mask, notes = loaded
    head = {"shape": pixels.shape, "notes": notes, "mask": mask is not None}
    marked = b"" if mask is None else np.packbits(mask).tobytes()
    return json.dumps(head).encode() + b"\n" + np.ascontiguousarray(pixels).tobytes() + marked


def _loaded(stored: bytes) -> Loaded:
    line, _, rest = stored.partition(b"\n")
    head = json.loads(line)
    height, width, channels = head["shape"]
    count = height * width * channels
    pixels = np.frombuffer(rest, np.uint8, count).reshape(height, width, channels)
    mask = None
    if head["mask"]:
        bits = np.unpackbits(np.frombuffer(rest, np.uint8, offset=count), count=height * width)
        mask = bits.astype(bool).reshape(height, width)
    return Loaded(pixels, mask, tuple(head["notes"]))
