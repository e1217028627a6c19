"""Images from their captions; with prior preservation, if that is asked for."""

import numpy as np

from pipeline_steps.diffusion.conditioning import embed_prompts
from pipeline_steps.diffusion.denoising import DenoisingTask, Prior, adapter_loss
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.sample import sample, sampling
from pipeline_steps.diffusion.tasks.task import Examples, TrainingContext, TrainingTask
from pipeline_steps.items.store import default_store
from pipeline_steps.parameters.adapters import ImageParams, PriorParams
from pipeline_steps.training.batches import BatchLoss


def _loss(m: TrainingContext, params: ImageParams, examples: Examples) -> BatchLoss:
    prior = _prior(m, params.prior, examples.denoising) if params.prior else None
    return adapter_loss(examples.denoising, examples.captions, examples.embeds, prior)


def _prior(m: TrainingContext, p: PriorParams, like: DenoisingTask) -> Prior:
    """The base model's own images of the prior's prompt, as large as those to be learned."""
    embeds = embed_prompts(m.f, m.c, m.tokens, [p.prompt, ""], default_store())
    size, how = like.batch_size, sampling(p.sampler, 1.0)
    both = (embeds[p.prompt].expand(size, -1, -1), embeds[""].expand(size, -1, -1))
    shape = like.latents.shape
    made = [sample(m.f, m.c, how, both, shape, range(first, first + size)) for first in range(0, p.images, size)]
    latents, _ = encode_images(m.f, m.c, np.concatenate(made)[: p.images], default_store())
    return Prior(DenoisingTask(m.f, m.c, latents, size, like.snr_gamma), embeds[p.prompt], p.weight)


TASK = TrainingTask[ImageParams](loss=_loss)
