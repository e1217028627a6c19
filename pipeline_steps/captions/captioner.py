"""What all captioners take and give back."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline_steps.items.replies import Replies, default_replies
from pipeline_steps.items.store import CacheStats, ItemStore


@dataclass(frozen=True)
class Study:
    """The rows to caption, the folder of their images, the store of computed items, and that of paid replies."""

    rows: pd.DataFrame
    dataset: Path
    store: ItemStore
    paid: Replies = field(default_factory=default_replies)


@dataclass(frozen=True)
class Captioned:
    """Captions and short captions in the order of the rows, counts for the metrics, and how many were computed."""

    captions: list[str]
    short_captions: list[str]
    counts: dict[str, int | dict[str, int]]
    use: CacheStats
