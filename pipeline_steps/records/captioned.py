"""Captions as other stages read them: a training image's words, and the words of a wanted type."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class Captions:
    """``open_caption`` by image id, with ``{token}`` and ``{tone}`` to fill; ``tones`` by skin type."""

    open_caption: dict[str, str]
    tones: dict[int, str]

    def prompt(self, image_id: str, token: str, skin_type: int) -> str:
        """The caption of an image, said of ``skin_type``, with ``token`` for its condition."""
        return self.open_caption[image_id].replace("{token}", token).replace("{tone}", self.tones[skin_type])


def read_captions(folder: Path) -> Captions:
    """Read what the ``caption`` stage wrote."""
    table = pd.read_parquet(folder / "captions.parquet")
    tones = json.loads((folder / "tones.json").read_text("utf-8"))
    return Captions(
        dict(zip(table["image_id"], table["caption"], strict=True)), {int(t): phrase for t, phrase in tones.items()}
    )
