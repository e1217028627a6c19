"""Every method on photographs: tables from a clone in which the smoke grid on PAD-UFES-20 has run.

./run python -m pipeline_steps.configure pad_ufes && ./run python -m flows.augment
./run python -m benchmarks.pad_ufes
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.phantom_bench import table
from pipeline_steps import report
from pipeline_steps.reporting import shown
from pipeline_steps.reporting.arms import spelled
from pipeline_steps.reporting.measures import names
from pipeline_steps.reporting.results import Results, gather, mask_agreement
from pipeline_steps.stage.params import read_yaml

DOCS = Path("docs")
REJECTED = {"memorised": "memorised", "skin_tone": "skin tone", "blank": "blank", "mask": "mask"}


def made(r: Results) -> str:
    """What each augmenter made, what of it was rejected and why, and its distance to real minority images."""
    distance = names(r.images["features"])["frechet_distance"]
    rows = [
        [
            row["augmenter"],
            *(row[k] for k in ("generated", "accepted", *(f"rejected_{k}" for k in REJECTED))),
            shown.with_interval(row, "frechet_distance", lambda v: shown.number(v, 1)),
        ]
        for row in r.images.sort_values("augmenter").to_dict("records")
    ]
    return table(["augmenter", "made", "accepted", *(f"rejected: {k}" for k in REJECTED.values()), distance], rows)


def classifiers(r: Results) -> str:
    """Accuracy on the test split, all its skin types together."""
    whole = r.classifiers[(r.classifiers["partition"] == "test") & (r.classifiers["skin_type"] == "all")]
    return table(["trained on", "accuracy, % (95 %)", "test images"], _tested(whole.to_dict("records"), "accuracy"))


def segmenters(r: Results) -> str:
    """Overlap with the test split's real masks."""
    whole = r.segmenters[r.segmenters["partition"] == "test"]
    return table(["trained on", "Dice, % (95 %)", "test images"], _tested(whole.to_dict("records"), "dice"))


def _tested(rows: Iterable[dict[Any, Any]], measure: str) -> list[list[Any]]:
    found = []
    for row in rows:
        of = f"{spelled(row['arm'])}, {row['augmenter']}" if row["augmenter"] else spelled(row["arm"])
        value, low, high = (100 * row[k] for k in (measure, "low", "high"))
        interval = f" ({low:.1f} to {high:.1f})" if pd.notna(low) else ""
        found.append([of, f"{value:.1f}{interval}", row["n"]])
    return sorted(found)


def main() -> None:
    """Read a finished run, write the page."""
    cells = read_yaml(Path("cells.yaml"))["cells"]
    r = gather(cells, report.METRICS)
    masks = [
        [m["cell"], m["images"], m["unavailable"] or f"{m['dice']:.3f}"] for m in mask_agreement(cells, report.METRICS)
    ]
    text = f"""# Every method on photographs: a smoke grid

**It shows that every stage and method runs on real pictures, and nothing else.** 270 phone photographs of PAD-UFES-20
(Pacheco et al. 2020, CC BY 4.0), three diagnoses, types I and II against III to V; small base models that have never
seen a photograph, trained for a minute or two. No figure here says anything about a method, a classifier or a patient.

Made by `./run python -m pipeline_steps.configure pad_ufes && ./run python -m flows.augment` (the photographs in the
folder that `EQUIDERM_REAL_DATA` names), then `./run python -m benchmarks.pad_ufes`: {len(cells["finetune"])} adapters,
{len(cells["screen"])} sets of images, {len(cells["train_classifier"])} classifiers, {len(r.segmenters)} segmenters.

{made(r)}

{classifiers(r)}

{segmenters(r)}

How the segmenter trained on real images sees the generated pairs:

{table(["cell", "images", "Dice"], masks)}
"""
    (DOCS / "pad_ufes.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
