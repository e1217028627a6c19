"""Every method on photographs: tables from a clone in which the smoke grid on PAD-UFES-20 has run.

./run python -m pipeline_steps.configure pad_ufes && ./run python -m flows.augment
./run python -m benchmarks.pad_ufes
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_steps.measures.classifiers.overall import ACCURACY
from pipeline_steps.measures.images.frechet import FRECHET
from pipeline_steps.measures.measure import Measure
from pipeline_steps.measures.segmenters.table import DICE
from pipeline_steps.reporting.blocks import Cell
from pipeline_steps.reporting.findings import Findings, read_findings
from pipeline_steps.reporting.formatting import row_name, value_or_reason
from pipeline_steps.reporting.markdown import markdown, table
from pipeline_steps.reporting.results import Results
from pipeline_steps.reporting.sections.segmentation import mask_table

PAGE = Path("docs/pad_ufes.md")
REJECTED = {"memorised": "memorised", "skin_tone": "skin tone", "blank": "blank", "mask": "mask"}


def made(f: Findings) -> str:
    """What each augmenter made, what of it was rejected and why, and its distance to real minority images."""
    rows = [
        [
            row["augmenter"],
            *(row[k] for k in ("generated", "accepted", *(f"rejected_{k}" for k in REJECTED))),
            value_or_reason(row, FRECHET),
        ]
        for row in f.r.images.sort_values("augmenter").to_dict("records")
    ]
    return table(
        ["augmenter", "made", "accepted", *(f"rejected: {k}" for k in REJECTED.values()), f.named(FRECHET)], rows
    )


def classifiers(r: Results) -> str:
    """Accuracy on the test split, all its skin types together."""
    whole = r.classifiers[(r.classifiers["partition"] == "test") & (r.classifiers["level"] == "all")]
    return table(["trained on", "accuracy, % (95 %)", "test images"], _tested(whole.to_dict("records"), ACCURACY))


def segmenters(r: Results) -> str:
    """Overlap with the test split's real masks."""
    whole = r.segmenters[r.segmenters["partition"] == "test"]
    return table(["trained on", "Dice, % (95 %)", "test images"], _tested(whole.to_dict("records"), DICE))


def _tested(rows: Iterable[dict[Any, Any]], measure: Measure[Any]) -> list[list[Cell]]:
    found: list[list[Cell]] = []
    for row in rows:
        value, low, high = (100 * row[k] for k in (measure.name, "low", "high"))
        interval = f" ({low:.1f} to {high:.1f})" if pd.notna(low) else ""
        found.append([row_name(row), f"{value:.1f}{interval}", row["n"]])
    return sorted(found, key=lambda cells: [str(cell) for cell in cells])


def main() -> None:
    """Read a finished run, write the page."""
    f = read_findings()
    cells = f.cells
    text = f"""# Every method on photographs: a smoke grid

**It shows that every stage and method runs on real pictures, and nothing else.** 270 phone photographs of PAD-UFES-20
(Pacheco et al. 2020, CC BY 4.0), three diagnoses, types I and II against III to V; small base models that have never
seen a photograph, trained for a minute or two. No figure here says anything about a method, a classifier or a patient.

Made by `./run python -m pipeline_steps.configure pad_ufes && ./run python -m flows.augment` (the photographs in the
folder that `EQUIDERM_REAL_DATA` names), then `./run python -m benchmarks.pad_ufes`: {len(cells["finetune"])} adapters,
{len(cells["screen"])} sets of images, {len(cells["train_classifier"])} classifiers, {len(f.r.segmenters)} segmenters.

{made(f)}

{classifiers(f.r)}

{segmenters(f.r)}

How the segmenter trained on real images sees the generated pairs:

{markdown([mask_table(f, "Dice")], PAGE)}
"""
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
