"""How the shipped inpainting model is derived."""

from pipeline_steps.parameters.bounds import Share
from pipeline_steps.parameters.optimised import Derivation


class InpaintTraining(Derivation):
    """``inpaint_training`` in config/shipped.yaml.

    ``ellipse``: least and largest half axis, as a share of the image's side.
    """

    ellipse: tuple[Share, Share]
