"""A change of code that shapes an image, its prompt or its source makes the image anew."""

from pipeline_steps.diffusion import augment
from pipeline_steps.items.closure import code_digests
from pipeline_steps.parameters.sampler import Sampler

SAMPLER = Sampler(
    scheduler="DDIMScheduler",
    scheduler_options={},
    num_inference_steps=4,
    guidance_scale=1.0,
    guidance_interval=(0.0, 1.0),
)


def test_images_depend_on_the_code_of_their_prompts_and_sources():
    plan = augment._plan(None, SAMPLER, [], 1.0, None)
    parts = ("augment", "sample", "latents", "conditioning", "adapters")
    assert {f"pipeline_steps/diffusion/{part}.py" for part in parts} <= {*code_digests(plan.module)}
