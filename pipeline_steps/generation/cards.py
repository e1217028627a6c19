"""Cards in the Hugging Face form: YAML front matter, then what a person must know before using an artefact."""

from collections.abc import Mapping, Sequence

import pandas as pd
from huggingface_hub import DatasetCard, DatasetCardData

from pipeline_steps.records.populations import marked
from pipeline_steps.records.privacy import shown_value

_BAR = "\\|"  # within a cell of a table
_SAFETY = """\
Made for research on classifiers that fail under-represented skin. Not for diagnosis. A model trained on photographs
can reproduce them: look at the memorisation figures of the screening stage before you share anything."""


def images_card(maker: str, settings: Mapping[str, object], made: pd.DataFrame) -> DatasetCard:
    """The card of generated images: by what (Markdown), how, and how many of what."""
    front = DatasetCardData(task_categories=["image-classification"], tags=["synthetic", "skin", "fairness"])
    text = f"""\
All {len(made)} images are synthetic, made by {maker}. Load them with
`datasets.load_dataset("imagefolder", data_dir=...)`. `metadata.csv` and each file's own metadata name source, prompt,
seed and models, and the lesion's mask where there is one. They are not screened here: `data/screened` says which are
copies, of another skin tone, blank, or have an unlikely mask.

{settings_table(settings)}

{counts(made, "target_level", "wanted level")}"""
    return DatasetCard(f"---\n{front.to_yaml()}\n---\n\n# Synthetic skin images\n\n{with_safety(text)}\n")


def with_safety(text: str) -> str:
    """A card's text, and what nobody may overlook."""
    return f"{text}\n\n{_SAFETY}"


def settings_table(settings: Mapping[str, object]) -> str:
    """Parameters without the places of files on this machine."""
    return table(["setting", "value"], [[key, shown_value(value)] for key, value in settings.items()])


def counts(rows: pd.DataFrame, by: str, words: str) -> str:
    """How many images of each condition and level."""
    counted = rows.assign(**{by: rows[by].map(marked)}).groupby(["condition", by]).size().reset_index(name="images")
    return table(["condition", words, "images"], counted.to_numpy().tolist())


def table(heads: list[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines: list[Sequence[object]] = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(value).replace('|', _BAR) for value in line)} |" for line in lines)
