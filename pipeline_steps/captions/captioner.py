"""What all captioners share: the tones they name, and what they give back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from pipeline_steps.items.replies import Replies, default_replies
from pipeline_steps.items.store import ItemStore, Use
from pipeline_steps.stage.params import Params

Level = Literal[1, 2, 3, 4, 5, 6, 12, 34, 56]  # of skin: a type or a group (``records.skin_types``)


class CaptionerParams(Params):
    """What every entry of ``captioners`` in params.yaml says: the backend, and a phrase for each skin type.

    ``tones`` may have phrases for the groups 12, 34 and 56, too; else they take that of type 2, 4 or 5.
    """

    backend: str
    tones: dict[Level, str]


@dataclass(frozen=True)
class Study:
    """The rows to caption, where their pixels lie, what is computed already, and what is paid for already."""

    rows: pd.DataFrame
    dataset: Path
    store: ItemStore
    paid: Replies = field(default_factory=default_replies)


@dataclass(frozen=True)
class Captioned:
    """Captions and short ones in the order of the rows, counts for the metrics, and what it cost."""

    captions: list[str]
    short_captions: list[str]
    counts: dict[str, int | dict[str, int]]
    use: Use
