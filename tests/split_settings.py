"""How studies are split in tests."""

from pipeline_steps.split import SplitParams

PARAMS = SplitParams(
    scenarios=("i", "ii", "iii"),
    draws=(0, 1),
    flexible_per_condition=2,
    sampler="per_condition",
    validation_fraction=0.2,
    leakage="exclude",
    seed=0,
)


def dose(images):
    return {"scenario": "iii", "images_per_condition": images}
