"""Parts of images from the rest of them (Sagers et al.), by a base model for inpainting."""

from dataclasses import replace

import pandas as pd

from pipeline_steps.diffusion.denoising import DenoisingTask
from pipeline_steps.diffusion.regions import check_base, training_conditions
from pipeline_steps.diffusion.tasks.task import TrainingContext, TrainingTask
from pipeline_steps.items.store import default_store
from pipeline_steps.parameters.adapters import InpaintingParams
from pipeline_steps.records.image_files import ImageRows


def _data(
    m: TrainingContext, _params: InpaintingParams, rows: pd.DataFrame, images: ImageRows, plain: DenoisingTask
) -> DenoisingTask:
    masks = m.dataset.masks_of(rows["image_id"])
    check_base(m.c)
    conditioning_latents = training_conditions(m.f, m.c, images, masks, default_store())
    return replace(plain, masks=masks, conditioning_latents=conditioning_latents)


TASK = TrainingTask[InpaintingParams](data=_data)
