"""What all captioners share: the words they name, and what they give back."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline_steps.items.replies import Replies, default_replies
from pipeline_steps.items.store import CacheStats, ItemStore


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
    use: CacheStats
