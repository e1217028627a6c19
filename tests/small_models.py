"""What several tests train on the small model in the hub's layout (the fixture ``tiny_sd``)."""

from pipeline_steps.diffusion.adapters import Lora
from pipeline_steps.parameters.mask_terms import MaskTerms
from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.training.optimisation import Optimisation

HOW = Optimisation(6, 1e-2, 0.0, 2, "cosine", 1.0, 0.9, 3)
LORA = Lora(2, 4, ("to_q", "to_k", "to_v", "to_out.0", "conv1"))
TERMS = MaskTerms(latent=1.0, overlap=0.5, below_sigma=1.0)


def supervision(**changes):
    """A short training of a classifier or a segmenter, but for ``changes``."""
    plain = {
        "updates": 2, "batch_size": 4, "learning_rate": 1e-3, "weight_decay": 0.0, "schedule": "cosine",
        "milestones": (), "validate_every": 1, "input_size": 32, "crop_scale": (0.8, 1.0), "rotation_degrees": 10,
        "horizontal_flip": True, "precision": "float32", "seed": 1,
    }  # fmt: skip
    return Supervision(**plain | changes)
