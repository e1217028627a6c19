"""What several tests train on the small model in the hub's layout (the fixture ``tiny_sd``)."""

from pipeline_steps.diffusion.adapters import Lora
from pipeline_steps.parameters.mask_terms import MaskTerms
from pipeline_steps.training.optimisation import Optimisation

HOW = Optimisation(6, 1e-2, 0.0, 2, "cosine", 1.0, 0.9, 3)
LORA = Lora(2, 4, ("to_q", "to_k", "to_v", "to_out.0", "conv1"))
TERMS = MaskTerms(latent=1.0, overlap=0.5, below_sigma=1.0)
