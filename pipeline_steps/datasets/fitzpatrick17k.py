"""Fitzpatrick17k (Groh et al. 2021): 16,577 rows, many dead links, image files named by their MD5.

Two crowds told skin types: ``fitzpatrick_scale`` is that of Wang et al. 2024's Table 1, ``fitzpatrick_centaur`` often
disagrees; one of them counts, the other is kept in ``other_skin``.
There are no ids of patients or lesions: near-duplicates alone are kept together. Images by their MD5 lie in one folder,
as ``pipeline_steps.download`` and the authors' archive have them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, WithAttributes, photographs
from pipeline_steps.datasets.downloads import table_rows
from pipeline_steps.records.licences import Licence
from pipeline_steps.records.skin_scales import SkinColumn
from pipeline_steps.records.unknown import is_unknown
from pipeline_steps.stage.errors import DataError

# The atlases that the images come from allow links alone.
LICENCE = Licence("CC-BY-NC-SA-3.0", "no", "Groh et al. 2021, Fitzpatrick17k; DermaAmin and Atlas Dermatologico")
_RATERS = ("fitzpatrick_scale", "fitzpatrick_centaur")
_SKIP = "Do not consider this image"
DIAGNOSES = ("label", "nine_partition_label", "three_partition_label")


class Fitzpatrick17k(WithAttributes):
    """``ingest.sources.fitzpatrick17k``. ``skincon``: SkinCon's table, whose 48 concepts become attributes."""

    revealing: ClassVar[Mapping[str, str]] = dict.fromkeys(DIAGNOSES, "it is of the diagnosis")
    csv: Path
    images: Path
    skincon: Path | None
    check_md5: bool
    skin_type: Literal["fitzpatrick_scale", "fitzpatrick_centaur"]


def published(p: Fitzpatrick17k) -> Published:
    """The rows of the annotation table.

    Raises:
        DataError: it, or SkinCon's table, is not what it should be.
    """
    found = list(table_rows(p.csv, ["md5hash", "label", p.skin_type, "url"]))
    concepts, unusable = _concepts(p.skincon) if p.skincon else ({}, 0)
    md5 = [cells["md5hash"] if p.check_md5 else "" for _, cells in found]
    rows = [
        Row(cells, place, LICENCE, concepts.get(cells["md5hash"], {}), md5=digest)
        for (place, cells), digest in zip(found, md5, strict=True)
    ]
    counts = {"url_missing": sum(is_unknown(cells["url"]) for _, cells in found)}
    if p.skincon:
        joined = len({cells["md5hash"] for _, cells in found} & {*concepts})
        counts |= {"concepts_joined": joined, "concepts_unusable": unusable}
    where = mapped(p.csv, p.images, p.skin_type, p.attributes).model_copy(update={"file": "{md5hash}.jpg"})
    raters = [SkinColumn(name, "fitzpatrick", "crowd") for name in _RATERS if name in found[0][1]]
    return Published(where, rows, counts=counts, other_skin=raters)


def mapped(csv: Path, images: Path, skin_type: str, attributes: tuple[str, ...]) -> Mapped:
    """Where a table of Fitzpatrick17k has its facts."""
    return Mapped(
        csv=csv,
        images=images,
        masks=images,
        file="{file}",
        mask="",
        image_id="md5hash",
        condition="label",
        skin_type=skin_type,
        skin_scale="fitzpatrick",
        skin_assigner="crowd",
        patient_id="",
        lesion_id="",
        attributes=attributes,
    )


def _concepts(skincon: Path) -> tuple[dict[str, dict[str, str]], int]:
    """The concepts that each image shows, by MD5, and how many images SkinCon's annotators could not use."""
    concepts: dict[str, dict[str, str]] = {}
    unusable = 0
    for names, row in _skincon_rows(skincon):
        if row[_SKIP] in {"1", "1.0"}:
            unusable += 1
        else:
            concepts[row["ImageID"].removesuffix(".jpg")] = {c: "yes" for c in names if row[c] in {"1", "1.0"}}
    return concepts, unusable


def _skincon_rows(skincon: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    for _, row in table_rows(skincon, []):
        if "ImageID" not in row or _SKIP not in row:
            raise DataError(f"{skincon} is not SkinCon's table: it lacks ImageID or {_SKIP!r}")
        yield [c for c in row if c not in {"", "Unnamed: 0", "ImageID", _SKIP}], row


FITZPATRICK17K = DataSet(
    "fitzpatrick17k",
    Fitzpatrick17k,
    lambda p: {"table": p.csv, "images": p.images, "annotations": p.skincon},
    lambda p: {"table": p.csv, "annotations": p.skincon},
    photographs(published),
)
