"""Small images with lesion masks, and how they are sampled and learned in tests."""

import numpy as np

from pipeline_steps.diffusion.conditioning import prompt_ids
from pipeline_steps.diffusion.sample import Sampling
from pipeline_steps.train_inpaint import ellipse
from pipeline_steps.training.optimisation import Optimisation

HOW = Optimisation(6, 1e-2, 0.0, 2, "cosine", 1.0, 0.9, 3)


def ddim(strength=1.0):
    options = {"scheduler": "DDIMScheduler", "scheduler_options": {}, "num_inference_steps": 10}
    return Sampling(**options, guidance_scale=2.0, guidance_interval=(0.0, 1.0), strength=strength)


def small_images(n=3):
    return np.random.default_rng(0).integers(0, 255, size=(n, 16, 16, 3), dtype=np.uint8)


def small_masks(n=3):
    return np.stack([ellipse(np.random.default_rng(i), 16, (0.2, 0.4)) for i in range(n)])


def embeds_of(f, c, words):
    return f.embed(c, prompt_ids(c, words)).detach()
