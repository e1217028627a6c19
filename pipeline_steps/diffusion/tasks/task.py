"""What a training task is: the functions in which fine-tuning differs from task to task."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd
from torch import Tensor

from pipeline_steps.diffusion.conditioning import Tokens
from pipeline_steps.diffusion.denoising import DenoisingTask, adapter_loss
from pipeline_steps.diffusion.families import Family
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.stored import Embeddings
from pipeline_steps.parameters.adapters import AdapterParams
from pipeline_steps.records.captioned import Captions, Prompt
from pipeline_steps.records.image_files import ImageRows
from pipeline_steps.records.manifest import Dataset
from pipeline_steps.training.batches import BatchLoss

P = TypeVar("P", bound=AdapterParams)


@dataclass(frozen=True)
class TrainingContext:
    """What every adapter of one run trains on.

    ``key`` names its checkpoints, ``location`` at ``commit`` the base model, ``tokens_folder`` the files of ``tokens``.
    """

    f: Family
    c: Components
    dataset: Dataset
    captions: Captions
    tokens: Tokens
    key: str
    location: str
    commit: str | None
    tokens_folder: Path


@dataclass(frozen=True)
class Examples:
    """Images to be denoised, the caption of each, and the captions' embeddings (L, D), computed once."""

    denoising: DenoisingTask
    captions: list[Prompt]
    embeds: Embeddings[Prompt]


def plain_images(
    m: TrainingContext, params: AdapterParams, rows: pd.DataFrame, _images: ImageRows, plain: DenoisingTask
) -> DenoisingTask:
    """The images alone; with their lesions' masks where errors within them count more or less."""
    if params.lesion_weight == 1:
        return plain
    return replace(plain, masks=m.dataset.masks_of(rows["image_id"]))


def _no_layers(_denoising: DenoisingTask) -> list[Tensor]:
    return []


def _denoising_alone(_m: TrainingContext, _params: AdapterParams, examples: Examples) -> BatchLoss:
    return adapter_loss(examples.denoising, examples.captions, examples.embeds)


@dataclass(frozen=True)
class TrainingTask(Generic[P]):
    """Functions of one task; what a task leaves out is done as for plain images.

    data: of some rows, their images and the denoising of these alone, what is denoised. loss: of the examples, while
    the denoiser is still the base model's. extend: change the denoiser's layers in place, before an adapter is added;
    the weights that are trained beside the adapter.
    """

    data: Callable[[TrainingContext, P, pd.DataFrame, ImageRows, DenoisingTask], DenoisingTask] = plain_images
    loss: Callable[[TrainingContext, P, Examples], BatchLoss] = _denoising_alone
    extend: Callable[[DenoisingTask], list[Tensor]] = _no_layers
