"""What a data set declares in its file: its parameters, what DVC watches, and what its tables say of its images.

Nothing here opens an image, so that a profile is checked without the libraries that do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator

from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.records.licences import Licence
from pipeline_steps.records.skin_scales import SkinColumn
from pipeline_steps.stage.params import Params

if TYPE_CHECKING:
    from pipeline_steps.datasets.source import Source

KINDS = ("table", "images", "masks", "annotations")  # of what ``ingest`` reads
NOTHING = Path("models/none")  # an empty folder: what a data set without such a thing reads
Reads = Mapping[str, Path | None]
SkinScale = Literal["fitzpatrick", "fitzpatrick_from_0", "fitzpatrick_reversed", "monk10", "milk6", "ita"]


@dataclass(frozen=True)
class Decoding:
    """How images become pixels: side in pixels, resize rule, and the largest image accepted."""

    size: int
    resize: str
    max_pixels: int


class WithAttributes(Params):
    """Parameters with ``attributes``: other columns of the table that are kept of each image.

    They may be told to captioners, and may divide people. What follows from the diagnosis (``revealing``, with the
    reason) is refused: a classifier or a caption that knows it needs no image.
    """

    revealing: ClassVar[Mapping[str, str]] = {}
    attributes: tuple[str, ...]

    @field_validator("attributes")
    @classmethod
    def _reveal_nothing(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [name for name in names if name.casefold() in cls.revealing]:
            why = cls.revealing[wrong[0].casefold()]
            raise ValueError(f"{wrong[0]} gives the diagnosis away ({why}): leave it out")
        return names


class Mapped(Params):
    """Where the facts of a table lie. Empty names mean "this data set has none".

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


@dataclass(frozen=True)
class Row:
    """What is said of one image: ``cells`` by column, as text, and ``place``, where that stands.

    ``facts``: attributes beside those that are columns, such as the published partition. ``unusable``: why the data set
    itself excludes the image, else empty. ``md5``: of the image's file, where it is published and is to be checked.
    """

    cells: Mapping[str, str]
    place: str
    licence: Licence
    facts: Mapping[str, str] = field(default_factory=dict)
    unusable: str = ""
    md5: str = ""


@dataclass(frozen=True)
class Published:
    """Rows of a data set's tables, and which columns hold what.

    ``anywhere``: files lie in any folder below, under their name with any ending, as archives are unpacked.
    ``other_skin``: columns that tell skin, too, such as other raters'; each is kept as it is. ``counts``: what was
    noticed in the tables, for ``metrics/ingest.json``.
    """

    mapped: Mapped
    rows: Sequence[Row]
    anywhere: bool = False
    other_skin: Sequence[SkinColumn] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """A data set: its name, the model of its parameters, and what is done with them.

    ``reads``: what DVC watches, by kind; ``reads_table``: where the table alone is read (``ingest.without_images``).
    ``read``: a table of images and a way to load each.
    """

    name: str
    params: type[Params]
    reads: Callable[[Any], Reads]
    reads_table: Callable[[Any], Reads]
    read: "Callable[[Any, Decoding], Source]"


def photographs(published: Callable[[Any], Published]) -> "Callable[[Any, Decoding], Source]":
    """The ``read`` of a data set of files, whose tables ``published`` reads."""

    def read(params: Any, decoding: Decoding) -> "Source":
        from pipeline_steps.datasets.table import read_published  # late: it brings the libraries that open images

        return read_published(published(params), decoding)

    return read
