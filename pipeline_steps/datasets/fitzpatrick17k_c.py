"""Fitzpatrick17k-C (Abhishek et al.): Fitzpatrick17k without near-duplicates and strays, with its own partitions.

One list under two names, and siblings with the same columns (``SimThresh_…``): name the one that is meant. ``fst`` is 0
and ``fitzpatrick`` -1 where the type is unknown. Images lie under their MD5 (the original archive) or renamed, as in
``Renamed/<class>/<diag>_f<fst>_<k>_<md5>.jpg``. Wrong labels are not corrected in it, and there are no ids of patients.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pipeline_steps.datasets.data_set import DataSet, Published, Row, WithAttributes, photographs
from pipeline_steps.datasets.downloads import Cells, in_words, table_rows
from pipeline_steps.datasets.files import listing, stem
from pipeline_steps.datasets.fitzpatrick17k import DIAGNOSES, LICENCE, mapped
from pipeline_steps.records.unknown import is_unknown
from pipeline_steps.stage.errors import DataError

_COLUMNS = ("md5hash", "label", "fst", "fitzpatrick", "partition", "orig_img_name", "new_img_name", "url")
_PARTITIONS = {"train": "train", "val": "validation", "test": "test"}


class Fitzpatrick17kC(WithAttributes):
    """``ingest.sources.fitzpatrick17k_c``. ``csv``: one of its lists; ``images``: original or renamed."""

    revealing: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (*DIAGNOSES, "diag", "filepath", "filename", "new_img_name"), "it is of the diagnosis"
    )
    csv: Path
    images: Path
    check_md5: bool


def published(p: Fitzpatrick17kC) -> Published:
    """The rows of a list.

    Raises:
        DataError: it is none, or its two columns of skin types disagree.
    """
    there = {stem(name.rpartition("/")[2]).casefold() for name in listing(p.images)}
    rows = []
    for place, cells in table_rows(p.csv, _COLUMNS):
        _refuse_two_types(place, cells)
        renamed = stem(cells["new_img_name"]).casefold() in there
        partition = in_words(place, "partition", cells["partition"], _PARTITIONS)
        rows.append(
            Row(
                cells | {"file": cells["new_img_name" if renamed else "orig_img_name"]},
                place,
                LICENCE,
                {"partition": partition},
                md5=cells["md5hash"] if p.check_md5 else "",
            )
        )
    counts = {"url_missing": sum(is_unknown(row.cells["url"]) for row in rows)}
    return Published(mapped(p.csv, p.images, "fitzpatrick", p.attributes), rows, anywhere=True, counts=counts)


def _refuse_two_types(place: str, cells: Cells) -> None:
    """Its two columns come from one: where they say different types, the list was changed."""
    both = [cells["fst"].removesuffix(".0"), cells["fitzpatrick"].removesuffix(".0")]
    first, second = ("" if is_unknown(cell) or cell == "0" else cell for cell in both)
    if first != second:
        raise DataError(
            f"{place}: fst says {cells['fst']!r} and fitzpatrick {cells['fitzpatrick']!r}, which come from one column; "
            "take the list as it was published"
        )


FITZPATRICK17K_C = DataSet(
    "fitzpatrick17k_c",
    Fitzpatrick17kC,
    lambda p: {"table": p.csv, "images": p.images},
    lambda p: {"table": p.csv},
    photographs(published),
)
