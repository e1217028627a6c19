"""What models derived from the shipped base model have in common: how they are trained, and their provenance."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline_steps.diffusion.loop import Optimisation
from pipeline_steps.diffusion.optimised import Optimised


class Derivation(Optimised):
    """How to train on so many ``images`` of generic marks, their captions dropped at times for guidance's sake."""

    threads: int
    image_size: int
    images: int
    caption_dropout: float

    def optimisation(self) -> Optimisation:
        """The optimiser's settings; the learning rate falls along a cosine."""
        return self.under("cosine")


def write_provenance(out: Path, digest: str, p: Derivation, losses: Sequence[float]) -> None:
    """Which base model and parameters made the model in ``out``, and the mean loss of each hundred steps."""
    (out / "provenance.json").write_text(json.dumps({"base": digest, "params": p.model_dump()}, indent=1))
    thin = [round(float(np.mean(losses[i : i + 100])), 5) for i in range(0, len(losses), 100)]
    (out / "training.json").write_text(json.dumps({"denoiser": thin}))
