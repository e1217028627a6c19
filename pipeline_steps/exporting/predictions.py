"""What classifiers said of test images, as CSV with level and attributes."""

import json
from pathlib import Path

import pandas as pd

_LEFT_OUT = ("sha256", "attributes", "image_id", "public_id", "group", "patient_id", "lesion_id", "file", "row")
_FIRST = ("image", "group", "partition", "level", "condition", "predicted")


def export_predictions(table: pd.DataFrame, manifest: pd.DataFrame, *, own_ids: bool = False) -> pd.DataFrame:
    """Predictions with readable columns: a row a test image, a column an attribute and a class's probability.

    ``image``: the public id, or the data set's own with ``own_ids``; ``group``: a number for images that belong
    together (near-duplicates, a lesion, a patient), which intervals resample as a whole.
    """
    known = manifest.set_index("image_id").loc[table["image_id"]]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(table["group"]), 1)}
    ids = list(table["image_id"]) if own_ids else list(known["public_id"])
    attributes = pd.DataFrame([json.loads(text) for text in known["attributes"]], index=table.index)
    kept = table.drop(columns=[c for c in _LEFT_OUT if c in table]).assign(image=ids, group=table["group"].map(numbers))
    new = attributes[[c for c in attributes if c not in kept]]
    first = [c for c in _FIRST if c in kept]
    chances = [c for c in kept if str(c).startswith("p:")]
    others = [c for c in kept if c not in first and c not in chances]
    return pd.concat([kept[first], new, kept[others], kept[chances]], axis=1)


def write_predictions(cells: list[str], out: Path, *, own_ids: bool) -> dict[str, int]:
    """A CSV a classifier into the folder ``out``; images by file name."""
    manifest = pd.read_parquet("data/dataset/manifest.parquet")
    counts = {}
    for cell in cells:
        table = pd.read_parquet(Path("data/predictions") / f"{cell}.parquet")
        export_predictions(table, manifest, own_ids=own_ids).to_csv(out / f"{cell}.csv", index=False)
        counts[f"{cell}.csv"] = len(table)
    return counts
