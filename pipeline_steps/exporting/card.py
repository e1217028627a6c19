"""The data card of exported images, in the Hugging Face form."""

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from pipeline_steps.exporting.licences import Terms
from pipeline_steps.records.privacy import shown_name, shown_value

_HUB = {"Apache-2.0": "apache-2.0", "CC-BY-4.0": "cc-by-4.0", "CC0-1.0": "cc0-1.0", "CC-BY-NC-4.0": "cc-by-nc-4.0"}
_CARD = """\
---
{front}---

# Synthetic skin images: {augmenter}

{n} synthetic images, made by `{augmenter}`{base}; screening accepted these of {generated}. No image is a photograph.

```python
from datasets import load_dataset
images = load_dataset("imagefolder", data_dir="THIS FOLDER", split="train")
```

**Terms.** {terms} The base model's licence binds, too, where it names uses.

**Columns.** `condition`: what the image was made to show; `level`: for which skin type (or other level) it was made,
not what was measured; `source_group`: images made from one photograph, which no split should divide;
`starts_from_source`: whether the image began as that photograph's pixels, and so may look like it, or had its caption
alone. Ids are numbers that lead back to no photograph.

{counts}

**Use.** Made for research on classifiers that fail under-represented skin. Not for diagnosis, and not a stand-in for
photographs of people: whether such images help must be measured on real test images, by level.

**How they were made.**

{settings}

**Cite.**

```bibtex
{bibliography}
```
"""


def exported_card(
    augmenter: str, base: str, settings: Mapping[str, Any], table: pd.DataFrame, told: tuple[int, Terms, str]
) -> str:
    """The card of the images in ``table``; ``told``: how many were generated, their terms, whom to cite."""
    generated, terms, bibliography = told
    front = {
        "license": _HUB.get(terms.licence, "other"),
        "task_categories": ["image-classification"],
        "tags": ["synthetic", "skin", "fairness"],
    }
    yaml, block = YAML(), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(front, block)
    counts = table.groupby(["condition", "level"]).size().reset_index(name="images")
    return _CARD.format(
        front=block.getvalue(),
        augmenter=augmenter,
        n=len(table),
        base=f" from `{shown_name(base)}`" if base else ", without a model",
        generated=generated,
        terms=terms.said,
        counts=_rows(["condition", "level", "images"], counts.to_numpy().tolist()),
        settings=_rows(["setting", "value"], [[k, shown_value(v)] for k, v in settings.items()]),
        bibliography=bibliography or f"% no paper is known of {augmenter} and its photographs: cite equiderm",
    )


def _rows(heads: list[str], rows: list[list[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(value).replace('|', chr(92) + '|') for value in line)} |" for line in lines)
