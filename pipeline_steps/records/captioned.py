"""Captions as other stages read them: a training image's words, and the words of a wanted level."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from pipeline_steps.records.skin_types import WORDS_OF_GROUP


@dataclass(frozen=True, order=True)
class Prompt:
    """What a base model is told: ``text``, and ``short`` for a text encoder beside it that holds less (Flux's CLIP)."""

    text: str
    short: str


_PLACES = re.compile(r"\{token\}|\{level\}")

# A plain string is what all text encoders are told.
Words = TypeVar("Words", str, Prompt)


@dataclass(frozen=True)
class Captions:
    """Open captions by image id, with ``{token}`` and ``{level}`` to fill, long and short; ``words`` by level."""

    open_caption: dict[str, Prompt]
    words: dict[str, str]

    def prompt(self, image_id: str, token: str, level: str) -> Prompt:
        """The caption of an image, said of ``level``, with ``token`` for its condition."""
        said = self.open_caption[image_id]
        tone = self.words[level]
        words = {"{token}": token, "{level}": tone}
        # In one pass, for a condition's own name may hold what looks like a place.
        text, short = (_PLACES.sub(lambda place: words[place[0]], s) for s in (said.text, said.short))
        return Prompt(text, short)


def read_captions(folder: Path) -> Captions:
    """Read what the ``caption`` stage wrote."""
    table = pd.read_parquet(folder / "captions.parquet")
    words = json.loads((folder / "words.json").read_text("utf-8"))
    said = map(Prompt, table["caption"], table["short_caption"])
    of_groups = {g: words[level] for g, level in WORDS_OF_GROUP.items() if level in words}  # unless they have their own
    return Captions(dict(zip(table["image_id"], said, strict=True)), of_groups | words)
