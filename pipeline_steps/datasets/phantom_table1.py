"""The phantom as a data set: Table 1 of Wang et al. 2024 in proportion, and a large holdout of its own."""

import json

import numpy as np
import pandas as pd

from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.datasets.source import COLUMNS, Loaded, Source
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import item_key
from pipeline_steps.records.licences import Licence
from pipeline_steps.records.skin_scales import FITZPATRICK6, RENDERED, SkinRecord, skin_columns
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES

LICENCE = Licence("Apache-2.0", "yes", "equiderm")  # this project's own
# Images by type I, II, V, VI (Wang et al. 2024, Table 1).
TABLE_1 = {
    "basal cell carcinoma": (85, 156, 24, 7),
    "folliculitis": (30, 97, 31, 9),
    "nematode infection": (15, 56, 32, 12),
    "neutrophilic dermatoses": (70, 115, 31, 15),
    "prurigo nodularis": (7, 28, 29, 9),
    "psoriasis": (113, 232, 64, 21),
    "squamous cell carcinoma": (100, 180, 40, 23),
}
_STUDY_TYPES = (1, 2, 5, 6)
_HOLDOUT_OFFSET = 500_000_000


def read(seed: int, scale: float, minimum: int, holdout_per_cell: int, size: int) -> Source:
    """Table 1 times ``scale`` (at least ``minimum`` a cell), plus ``holdout_per_cell`` of each condition x type.

    The holdout covers all six types and comes from seeds that the study never uses.
    """
    rows: list[dict[str, str | int]] = []
    for number, (condition, counts) in enumerate(TABLE_1.items()):
        for skin_type, count in zip(_STUDY_TYPES, counts, strict=True):
            n = max(minimum, round(count * scale))
            rows += [_row(condition, skin_type, number, i, seed, "study") for i in range(n)]
        for skin_type in FITZPATRICK_TYPES:
            rows += [_row(condition, skin_type, number, i, seed, "holdout") for i in range(holdout_per_cell)]
    seeds = [row.pop("seed") for row in rows]
    table = pd.DataFrame(rows)

    def load(position: int) -> Loaded:
        condition, skin_type = table["condition"].iloc[position], int(table["fitzpatrick_scale"].iloc[position])
        drawn = render_condition(condition, skin_type, int(seeds[position]), size)
        return Loaded(drawn.image, np.asarray(drawn.mask), ())

    def key(position: int) -> str:
        drawn = {name: str(table[name].iloc[position]) for name in ("condition", "fitzpatrick_scale")}
        return item_key("rendered", code_version(__name__), seed=int(seeds[position]), size=size, **drawn)

    table["attributes"] = [
        json.dumps(render_condition(c, int(t), int(s), 16).attributes, sort_keys=True)
        for c, t, s in zip(table["condition"], table["fitzpatrick_scale"], seeds, strict=True)
    ]
    skin = skin_columns(SkinRecord(FITZPATRICK6, str(t), RENDERED, str(t)) for t in table["fitzpatrick_scale"])
    table = table.assign(**skin, other_skin="{}")
    return Source(table[list(COLUMNS)], load, {"rows": len(table)}, threads=1, key=key)


def _row(condition: str, skin_type: int, number: int, i: int, seed: int, role: str) -> dict[str, str | int]:
    name = f"{role}-{condition.replace(' ', '_')}-{skin_type}-{i:04d}"
    offset = _HOLDOUT_OFFSET if role == "holdout" else 0
    return {
        "image_id": name,
        "file": "",
        "condition": condition,
        "fitzpatrick_scale": skin_type,
        "patient_id": "",
        "lesion_id": "",
        "role": role,
        **LICENCE._asdict(),
        "seed": (seed * len(CONDITIONS) + number) * 1_000_000 + offset + i,
    }
