"""The phantom's parameters, and how ``ingest`` reads it: its images are rendered by code."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveFloat

from pipeline_steps.datasets.data_set import DataSet, Decoding
from pipeline_steps.parameters.bounds import Seed
from pipeline_steps.stage.params import Params

if TYPE_CHECKING:
    from pipeline_steps.datasets.source import Source

_CODE = Path("pipeline_steps/datasets/phantom")


class Phantom(Params):
    """``ingest.sources.phantom``."""

    seed: Seed
    scale: PositiveFloat
    minimum: NonNegativeInt
    holdout_per_cell: NonNegativeInt


def _read(p: Phantom, decoding: Decoding) -> "Source":
    from pipeline_steps.datasets import phantom_table1  # late: it brings the renderer

    return phantom_table1.read(**p.model_dump(), size=decoding.size)


PHANTOM = DataSet("phantom", Phantom, lambda _: {"table": _CODE}, lambda _: {"table": _CODE}, _read)
