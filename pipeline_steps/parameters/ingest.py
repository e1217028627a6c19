"""Where images come from, and how they become pixels."""

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from pipeline_steps.parameters.bounds import ImageSize, NonEmpty, Seed
from pipeline_steps.stage.params import Params

KINDS = ("table", "images", "masks", "annotations")
PHANTOM = Path("pipeline_steps/datasets/phantom")  # its images are rendered by code
NOTHING = Path("models/none")  # an empty folder: what a data set without such a thing reads
SkinScale = Literal["fitzpatrick", "fitzpatrick_from_0", "fitzpatrick_reversed", "monk10", "milk6", "ita"]
Fitzpatrick17kSkin = Literal["fitzpatrick_scale", "fitzpatrick_centaur"]
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
    skin_type: Fitzpatrick17kSkin


class PadUfes20(Params):
    """``ingest.sources.pad_ufes_20``."""

    folder: Path


class Mapped(Params):
    """Where an image table's facts lie. Empty names mean "this data set has none".

    ``file`` and ``mask`` are patterns over the row's columns and ``stem`` (the image id without its file
    ending), such as ``{md5hash}.jpg`` or ``{stem}_mask.png``. ``skin_scale`` is how the cells of ``skin_type`` are
    read, and ``skin_assigner`` who assigned it: a word, or ``{column}`` of a table that says it of each row.
    """

    csv: Path
    images: Path
    masks: Path
    file: NonEmpty
    mask: str
    image_id: NonEmpty
    condition: NonEmpty
    skin_type: str
    skin_scale: SkinScale
    skin_assigner: str
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
    """``ingest`` in params.yaml.

    ``without_images``: the table alone is read, and every image counts as missing.
    """

    adapter: Literal["phantom", "fitzpatrick17k", "pad_ufes_20", "folder"]
    image_size: ImageSize
    resize: Resize
    max_pixels: PositiveInt
    without_images: bool
    sources: Sources

    def reads(self) -> dict[str, str]:
        """What the adapter reads, by kind: DVC watches these, and runs ``ingest`` again when one changes."""
        s = self.sources
        by_adapter: dict[str, dict[str, Path | None]] = {
            "phantom": {"table": PHANTOM},
            "fitzpatrick17k": {
                "table": s.fitzpatrick17k.csv,
                "images": s.fitzpatrick17k.images,
                "annotations": s.fitzpatrick17k.skincon,
            },
            "pad_ufes_20": {"table": s.pad_ufes_20.folder},
            "folder": {
                "table": s.folder.csv,
                "images": s.folder.images,
                "masks": s.folder.masks if s.folder.mask else None,
            },
        }
        found = by_adapter[self.adapter]
        if self.without_images:
            found |= {"images": None, "masks": None}
            found |= {"table": s.pad_ufes_20.folder / "metadata.csv"} if self.adapter == "pad_ufes_20" else {}
        return {kind: str(found.get(kind) or NOTHING) for kind in KINDS}
