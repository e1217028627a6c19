"""Cards in the Hugging Face form: YAML front matter, then what a person must know before using an artefact."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from pipeline_steps.records.populations import marked
from pipeline_steps.records.privacy import shown_name, shown_value

_BAR = "\\|"  # within a cell of a table
_SAFETY = """\
Made for research on classifiers that fail under-represented skin. Not for diagnosis. A model trained on photographs
can reproduce them: look at the memorisation figures of the screening stage before you share anything."""


def adapter_card(base: str, digest: str, settings: Mapping[str, object], train: pd.DataFrame, split: str) -> str:
    """The card of LoRA weights: on which base model, how, and on how many images of whom they were trained."""
    front = {
        "base_model": shown_name(base),
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "tags": ["lora", "diffusers", "skin", "fairness"],
    }
    said = f"""\
Loads with diffusers' `load_lora_weights`. Base weights: SHA-256 `{digest}`.

{_table(["setting", "value"], [[k, shown_value(v)] for k, v in settings.items()])}

Trained on split {split}, {len(train)} images:

{_counts(train, "level", "level")}"""
    return _card(front, f"LoRA on {shown_name(base)}", said)


def images_card(maker: str, settings: Mapping[str, object], made: pd.DataFrame) -> str:
    """The card of generated images: by what (Markdown), how, and how many of what."""
    front = {"task_categories": ["image-classification"], "tags": ["synthetic", "skin", "fairness"]}
    said = f"""\
All {len(made)} images are synthetic, made by {maker}. Load them with
`datasets.load_dataset("imagefolder", data_dir=...)`. `metadata.csv` and each file's own metadata name source, prompt,
seed and models, and the lesion's mask where there is one. They are not screened here: `data/screened` says which are
copies, of another skin tone, blank, or have an unlikely mask.

{_table(["setting", "value"], [[k, shown_value(v)] for k, v in settings.items()])}

{_counts(made, "target_level", "wanted level")}"""
    return _card(front, "Synthetic skin images", said)


def _card(front: dict[str, Any], title: str, text: str) -> str:
    yaml = YAML()
    yaml.default_flow_style = False
    block = io.StringIO()
    yaml.dump(front, block)
    return f"---\n{block.getvalue()}---\n\n# {title}\n\n{text}\n\n{_SAFETY}\n"


def _counts(rows: pd.DataFrame, by: str, words: str) -> str:
    counted = rows.assign(**{by: rows[by].map(marked)}).groupby(["condition", by]).size().reset_index(name="images")
    return _table(["condition", words, "images"], counted.to_numpy().tolist())


def _table(heads: list[str], rows: list[list[object]]) -> str:
    lines: list[Sequence[object]] = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(value).replace('|', _BAR) for value in line)} |" for line in lines)
