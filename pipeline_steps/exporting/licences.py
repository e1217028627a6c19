"""Under which terms images may be passed on: those of the photographs that they were made from."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline_steps.records.licences import strictest
from pipeline_steps.records.manifest import is_rendered

_MEANS = {
    "no": "**may not be passed on** without the owner's consent",
    "ask": "ask whoever gave you the photographs before you pass it on",
    "conditions": "may be passed on under that licence's conditions",
    "yes": "may be passed on, naming the source",
}
OURS = "Apache-2.0"  # of rendered images: the renderer's own


class Terms(NamedTuple):
    """``licence``: names, joined; ``redistribute``: the strictest right among all sources; ``said``: in words."""

    licence: str
    redistribute: str
    said: str


def terms(made: pd.DataFrame, dataset: Path = Path("data/dataset")) -> Terms:
    """Of images with these rows of ``metadata.csv``.

    The licences stand in the rows, else in the manifest's rows of their sources. Where neither says one, that is said.
    """
    manifest = pd.read_parquet(dataset / "manifest.parquet")
    sources = manifest[manifest["public_id"].isin(made["source_id"])]
    if is_rendered(manifest):
        return Terms(OURS, "yes", "The sources are rendered, no photographs: the images are under Apache-2.0.")
    rows = made if "licence" in made else sources
    if "licence" not in rows:
        said = "The licence of the photographs is not recorded: **ask whoever gave you them before you pass this on.**"
        return Terms("", "ask", said)
    names = sorted(set(rows["licence"]) - {""})
    rights = set(rows["redistribute"]) if "redistribute" in rows else {"ask"}
    right = strictest(rights)
    whom = sorted(set(sources["attribution"]) - {""}) if "attribution" in sources else []
    naming = f" Name: {'; '.join(whom)}." if whom else ""
    return Terms(
        ", ".join(names), right, f"Sources: {', '.join(names) or 'no licence named'}; {_MEANS[right]}.{naming}"
    )
