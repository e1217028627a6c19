"""How a base model makes images with what it learned: what all augmenters share that denoise."""

from pydantic import PositiveInt

from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.parameters.sampler import Sampler


class LearnedParams(JobParams, Sampler):
    """What all entries of ``augmenters`` share whose images are denoised by a base model and what it learned.

    ``batch_size`` is a fixed shape: bits depend on it.
    """

    base: str
    captioner: str
    inversion: str | None
    adapter: str | None
    batch_size: PositiveInt
