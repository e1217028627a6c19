"""Fine-tuned models beside their base models as they came."""

from typing import Any

from pipeline_steps.measures.images.counted import CONCEPTS
from pipeline_steps.measures.images.frechet import FRECHET
from pipeline_steps.measures.measure import Measure
from pipeline_steps.reporting.blocks import Block, Heading, Table, Words, columns
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.formatting import value_or_reason
from pipeline_steps.reporting.results import base_model_counterparts

_DIGITS: dict[Measure[Any], int] = {FRECHET: 3, CONCEPTS: 1}
_READING = (
    "In brackets 95 % intervals over images (condition accuracy: over sources). A base model knows none of the "
    "conditions' names."
)


def learned(f: Findings) -> list[Block]:
    """Nothing where the grid has no base model beside a fine-tuned one."""
    table = beside_base(f)
    return [Heading("What training changed"), table, Words(_READING)] if table.rows else []


def beside_base(f: Findings) -> Table:
    """A row a fine-tuned model whose base model's images were scored, too."""
    rows = {str(row["cell"]): row for row in f.r.images.to_dict("records")}
    measured = [f.title(m) for m in _DIGITS]
    base = "its base model as it came"
    head = columns("cell", *measured, base, *measured, words=(base,))
    made = []
    for key, twin in base_model_counterparts(dict(f.cells), f.augmenters).items():
        tuned, plain = ([value_or_reason(rows[k], m, digits) for m, digits in _DIGITS.items()] for k in (key, twin))
        made.append([key, *tuned, twin, *plain])
    return Table(head, made)
