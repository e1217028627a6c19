"""Where images come from, and how they become pixels."""

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from pipeline_steps.parameters.bounds import ImageSize, NonEmpty, Seed
from pipeline_steps.stage.params import Params

Resize = Literal["center_crop", "pad", "squash"]


class Phantom(Params):
    """``ingest.sources.phantom``."""

    seed: Seed
    scale: PositiveFloat
    minimum: NonNegativeInt
    holdout_per_cell: NonNegativeInt


class Fitzpatrick17k(Params):
    """``ingest.sources.fitzpatrick17k``."""

    csv: Path
    images: Path
    skincon: Path | None
    check_md5: bool


class PadUfes20(Params):
    """``ingest.sources.pad_ufes_20``."""

    folder: Path


class Mapped(Params):
    """Where an image table's facts lie. Empty names mean "this data set has none".

    ``file`` and ``mask`` are patterns over the row's columns and ``stem`` (the image id without its file
    ending), such as ``{md5hash}.jpg`` or ``{stem}_mask.png``.
    """

    csv: Path
    images: Path
    masks: Path
    file: str
    mask: str
    image_id: str
    condition: str
    skin_type: str
    patient_id: str
    lesion_id: str
    attributes: tuple[str, ...]


class Sources(Params):
    """Every adapter's settings."""

    phantom: Phantom
    fitzpatrick17k: Fitzpatrick17k
    pad_ufes_20: PadUfes20
    folder: Mapped


class IngestParams(Params):
    """``ingest`` in params.yaml."""

    adapter: Literal["phantom", "fitzpatrick17k", "pad_ufes_20", "folder"]
    depends_on: NonEmpty
    image_size: ImageSize
    resize: Resize
    max_pixels: PositiveInt
    sources: Sources
