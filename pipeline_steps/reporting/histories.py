"""Training histories of the cells in the grid."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

_TRAININGS = {
    "invert_tokens": "tokens",
    "finetune": "adapters",
    "train_classifier": "classifier",
    "train_segmenter": "segmenter",
}
_MOST = 24


def histories(cells: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """By name, such as ``adapters/lora_tokens-iii-0``: the first ones of them all."""
    folders = [Path("models") / folder / key for stage, folder in _TRAININGS.items() for key in cells[stage]]
    files = [f for folder in folders for f in sorted(folder.rglob("history.csv"))]
    return {str(f.parent.relative_to("models")): pd.read_csv(f) for f in files[:_MOST]}


def as_one_table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """All of them, for ``dvc plots``."""
    tables = [t.assign(run=name).rename(columns={t.columns[0]: "step"}) for name, t in found.items()]
    return pd.concat(tables) if tables else pd.DataFrame(columns=["step", "loss", "run"])
