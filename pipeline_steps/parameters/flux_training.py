"""How the shipped Flux-shaped model is trained."""

from typing import Any

from pydantic import PositiveInt

from pipeline_steps.parameters.optimised import Derivation


class FluxTraining(Derivation):
    """``flux_training`` in config/shipped.yaml; ``vocabulary`` and ``max_tokens`` are those of the T5 tokenizer."""

    vocabulary: PositiveInt
    max_tokens: PositiveInt
    t5: dict[str, int]
    transformer: dict[str, Any]
    scheduler: dict[str, Any]
