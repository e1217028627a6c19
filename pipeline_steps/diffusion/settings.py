"""What several diffusion stages share: they read a base model's parameters, and write a training's history."""

from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from pipeline_steps.checkpoints.locations import commit_of, watched
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.parameters.base_models import BaseModelParams
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.wiring import check_wiring


def read_base(name: str) -> BaseModel:
    """The base model called ``name`` in params.yaml; of a hub model, at the commit that is pinned.

    Raises:
        ParamsError: its location is neither a folder nor a hub id, or both.
        DataError: it has no pin.
    """
    p = read_params(BaseModelParams, f"base_models.{name}")
    return BaseModel(p.family, p.location, commit_of(p.location, p.revision), p.dtype)


def check_base_wiring(name: str, weights: str) -> None:
    """Whether DVC watches, as ``weights``, what the base model called ``name`` is loaded from.

    Raises:
        ParamsError: it watches something else.
    """
    p = read_params(BaseModelParams, f"base_models.{name}")
    check_wiring(f"base_models.{name}", {"location": (watched(p.location, p.revision), weights)})


def write_history(path: Path, losses: list[float], every: int, validation: dict[int, float]) -> None:
    """Training curve as CSV, a row every so many steps and at the end: mean loss since the last row, validation loss.

    ``validation``: losses by step; empty where nothing was validated.
    """
    rows: list[dict[str, Any]] = []
    last = 0
    for step in sorted({*range(every, len(losses), every), len(losses)} - {0}):
        value = validation.get(step)
        loss = round(fmean(losses[last:step]), 6)
        rows.append({"step": step, "loss": loss, "validation_loss": None if value is None else round(value, 6)})
        last = step
    with atomic_file(path) as temporary:
        pd.DataFrame(rows, columns=["step", "loss", "validation_loss"]).to_csv(temporary, index=False)
