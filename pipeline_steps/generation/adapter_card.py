"""The card of an adapter: what it was trained on, and the code that loads it with diffusers alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from huggingface_hub import ModelCard, ModelCardData

from pipeline_steps.generation.cards import counts, settings_table, table, with_safety
from pipeline_steps.records.privacy import shown_name
from pipeline_steps.records.slugs import slug

_MASKS = """\
It makes an image and its lesion's mask at once, by a denoiser with more channels, for which diffusers has no pipeline:
an augmenter of mode `image_and_mask` loads it."""
_DTYPE = """\
Without `torch_dtype`, each part of a base model may come in the type that its file has, and products of two types fail
("mat1 and mat2 must have the same dtype")."""


@dataclass(frozen=True)
class AdapterUse:
    """What it takes to load an adapter.

    ``base`` at ``revision`` (null: no hub model): the base model, computed in ``dtype``; ``part``: what its pipeline
    calls the denoiser. ``folder``: of the adapter; ``conditions``: those that have one of their own (empty: one for
    all). ``tokens``: by condition, its placeholder in prompts; ``tokens_folder``: their files. ``prompt``: an example.
    """

    base: str
    revision: str | None
    dtype: str
    part: str
    folder: Path
    conditions: tuple[str, ...]
    task: str
    method: str
    tokens: Mapping[str, str]
    tokens_folder: Path
    prompt: str


def adapter_card(
    use: AdapterUse, digest: str, settings: Mapping[str, object], train: pd.DataFrame, split: str
) -> ModelCard:
    """The card of an adapter: how it is loaded, on what it was trained, how, and on how many images of whom."""
    base = shown_name(use.base)
    learned = "LoRA" if use.method == "lora" else "Fine-tuned denoiser"
    front = ModelCardData(
        base_model=base,
        library_name="diffusers",
        pipeline_tag="text-to-image",
        tags=["lora" if use.method == "lora" else "full", "diffusers", "skin", "fairness"],
    )
    text = f"""\
Base weights: SHA-256 `{digest}`.

{_loading(use)}

## Training

{settings_table(settings)}

Trained on split {split}, {len(train)} images:

{counts(train, "level", "level")}"""
    return ModelCard(f"---\n{front.to_yaml()}\n---\n\n# {learned} on {base}\n\n{with_safety(text)}\n")


def _loading(use: AdapterUse) -> str:
    if use.task == "image_and_mask":
        return f"## Loading\n\n{_MASKS}"
    words = [f"## Loading\n\nFrom the folder of the project. {_DTYPE}\n\n```python\n{loading_code(use)}\n```"]
    if use.conditions:
        words.append(f"Each condition has an adapter of its own, in a folder of its name; above: {use.conditions[0]}.")
    if use.tokens:
        named = [[condition, f"`{placeholder}`"] for condition, placeholder in use.tokens.items()]
        words.append(f"Prompts name a condition by its learned token:\n\n{table(['condition', 'in prompts'], named)}")
    return "\n\n".join(words)


def loading_code(use: AdapterUse) -> str:
    """Python that loads the adapter and makes an image."""
    place = Path(shown_name(str(use.folder)))
    place = place / slug(use.conditions[0]) if use.conditions else place
    revision = f", revision={use.revision!r}" if use.revision else ""
    lines = ["import torch", "from diffusers import DiffusionPipeline", "", f"dtype = torch.{use.dtype}"]
    base = f'"{shown_name(use.base)}"{revision}'
    lines.append(f"pipeline = DiffusionPipeline.from_pretrained({base}, torch_dtype=dtype)")
    for condition, placeholder in use.tokens.items():
        file = Path(shown_name(str(use.tokens_folder))) / f"{slug(condition)}.safetensors"
        lines.append(f'pipeline.load_textual_inversion("{file.as_posix()}", token={placeholder!r})')
    if use.method == "full":
        whole = f'type(pipeline.{use.part}).from_pretrained("{(place / "denoiser").as_posix()}", torch_dtype=dtype)'
        lines.append(f"pipeline.{use.part} = {whole}")
    else:
        lines.append(
            f'pipeline.load_lora_weights("{place.as_posix()}", weight_name="pytorch_lora_weights.safetensors")'
        )
    photograph = ", image=photograph, mask_image=mask" if use.task == "inpainting" else ""
    return "\n".join([*lines, f"image = pipeline({use.prompt!r}{photograph}).images[0]"])
