"""How much the mask half of an image with its mask counts in training."""

from pydantic import NonNegativeFloat

from pipeline_steps.parameters.bounds import Fraction
from pipeline_steps.stage.params import Params


class MaskTerms(Params):
    """The loss beside the image half's: ``latent`` times the mask half's squared error, ``overlap`` times Dice + BCE.

    The latter of the decoded mask, where the share of noise sigma is at most ``below_sigma``.
    """

    latent: NonNegativeFloat
    overlap: NonNegativeFloat
    below_sigma: Fraction
