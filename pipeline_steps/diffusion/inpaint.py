"""Inpainting around or within the pathology (Sagers et al. 2022 and 2023), with an inpainting Stable Diffusion."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from torch import Tensor

from pipeline_steps.diffusion.augment import Model, SamplingPlan, generate_images
from pipeline_steps.diffusion.families import Images
from pipeline_steps.diffusion.regions import check_base, conditioning
from pipeline_steps.diffusion.sample import denoised, sampling
from pipeline_steps.generation.jobs import GeneratedImages, Inputs, Job
from pipeline_steps.generation.modes.inpaint import InpaintParams, paints_the_lesion
from pipeline_steps.items.store import Derived
from pipeline_steps.pixels.images import mask_png
from pipeline_steps.pixels.masks import dilate, paste
from pipeline_steps.records.manifest import open_dataset


def inpaint(params: InpaintParams, inputs: Inputs, jobs: Sequence[Job], _train: pd.DataFrame) -> GeneratedImages:
    """Every source with the named parts painted anew, for its target level.

    Where the lesion stays, its mask goes with the image.

    Raises:
        DataError: the base model is not one for inpainting, or a source has no mask.
    """
    made = generate_images(_repaint, params, inputs, jobs)
    if _lesion_is_painted(params):
        return made
    masks = open_dataset(inputs.dataset).masks_of([j.source_id for j in jobs])
    return replace(made, masks=Derived(len(jobs), lambda i: mask_png(masks[i])))


def _lesion_is_painted(params: InpaintParams) -> bool:
    return paints_the_lesion([p.region for p in params.passes])


def _repaint(m: Model, params: InpaintParams, jobs: Sequence[Job]) -> SamplingPlan:
    check_base(m.c)
    ids = [j.source_id for j in jobs]
    sources, masks = m.dataset.images(ids), m.dataset.masks_of(ids)
    edge: Literal["inside", "outside"] = "outside" if _lesion_is_painted(params) else "inside"
    passes = [p.model_dump() for p in params.passes]
    how = {"passes": passes, "grow": params.grow, "feather": params.feather, "edge": edge}

    def make(batch: list[int], embeds: tuple[Tensor, Tensor]) -> Images:
        images, lesions = sources[batch], np.stack([dilate(masks[i], params.grow) for i in batch])
        for number, each in enumerate(params.passes):
            regions = lesions if each.region == "lesion" else ~lesions
            seeds = [(jobs[i].seed + number) % 2**63 for i in batch]
            latents = m.f.scale(m.c, m.f.encode(m.c, images)[0])
            conditioning_latents = conditioning(m.f, m.c, images, regions)
            x = denoised(
                m.f,
                m.c,
                sampling(params, each.strength),
                embeds,
                latents,
                seeds,
                conditioning_latents=conditioning_latents,
            )
            images = paste(images, m.f.decode(m.c, x), regions, params.feather, edge)
        return images

    return SamplingPlan(__name__, [{**how, "mask": mask} for mask in masks.digests], make)
