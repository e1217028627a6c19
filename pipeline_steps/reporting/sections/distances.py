"""How near generated images are to real ones of the same skin, and what screening could tell."""

from collections.abc import Mapping
from typing import Any

from pipeline_steps.measures.images.counted import CONCEPTS
from pipeline_steps.measures.images.frechet import FRECHET
from pipeline_steps.measures.images.table import DISTANCES
from pipeline_steps.records.populations import SKIN_TYPE
from pipeline_steps.reporting.blocks import Block, Cell, Heading, Table, Words, columns
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.formatting import formatted, number, value_or_reason, with_interval

_DIGITS = 3
_LEFT = ("class consistency by level", "the same on real images", "memorised: the limit is from", "")
_READING = (
    "Features: {features}. The reference partition trained nothing and tests nothing. Small: 95 % intervals over "
    "images, by whole groups on both sides; of condition accuracy, over sources by the same reference images. Fréchet "
    "distances of few images are biased upwards, and so are their intervals: compare rows of equal counts. Concept "
    "accuracy: how often most of the nearest reference images have the condition that an image was made for. Class "
    "consistency: how often most of the nearest real training images are of the condition that was asked for; it "
    "rejects nothing, for the training images may show none of the minority."
)
_TONES = (
    "How the measure of skin tones (ITA) does on real images outside of the test split; misjudged: an image made for "
    "that type would be rejected; right side: nearer to the same of majority and minority."
)


def distances(f: Findings) -> list[Block]:
    """A row an augmenter cell."""
    rows = f.r.images.to_dict("records")
    blocks: list[Block] = [
        Heading(f"Distance to real images of the same {f.study.noun}"),
        Table(columns(*_head(f), words=_LEFT), [measured(row) for row in rows]),
        Words(_READING.format(features=", ".join(f.features))),
    ]
    told = f.study.column == SKIN_TYPE
    return [*blocks, _tones(rows), Words(_TONES)] if rows and told else blocks


def _head(f: Findings) -> list[str]:
    concepts = [f"{CONCEPTS.heading}, % (95 % interval)", "of the reference itself, %"]
    own = [f.named(m) for m in DISTANCES]
    counts = ["cell", "generated", "accepted", "reference images"]
    return [*counts, *own, f"{f.named(FRECHET)} of the majority's training images", *concepts, *_LEFT]


def measured(row: Mapping[Any, Any]) -> list[Cell]:
    """A row of the table of distances."""
    return [
        *(row[k] for k in ("cell", "generated", "accepted", "reference")),
        *(with_interval(row, m, _DIGITS) for m in DISTANCES),
        formatted(FRECHET, row["frechet_distance_of_majority_training_images"], _DIGITS),
        value_or_reason(row, CONCEPTS),
        formatted(CONCEPTS, row["ceiling"]),
        *(row[k] for k in ("class_consistency", "class_consistency_on_real", "memorisation_rests_on", "unavailable")),
    ]


def _tones(rows: list[dict[Any, Any]]) -> Table:
    why = "rejects nothing for its tone, because"
    shares = ("skin tone measured as annotated, %", "misjudged, %", "on the right side, %")
    return Table(
        columns("cell", "real images of known type", *shares, why, words=(why,)),
        [
            [
                *(row["cell"], row["tone_images"]),
                *(_percent(row[k]) for k in ("tone_exact", "tone_misjudged", "tone_right_side")),
                row["tone_doubts"],
            ]
            for row in rows
        ],
    )


def _percent(share: Any) -> str:
    return number(None if share is None else share * 100, 0)
