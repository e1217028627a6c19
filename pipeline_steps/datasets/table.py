"""Rows of tables as a source of images: files are found, every oddity is counted or refused."""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, replace

import pandas as pd

from pipeline_steps.datasets.data_set import Decoding, Mapped, Published, Row
from pipeline_steps.datasets.files import Found, image_ids, look_anywhere, look_up, nothing_found, stem
from pipeline_steps.datasets.folder import published_table
from pipeline_steps.datasets.loader import Loader
from pipeline_steps.datasets.source import COLUMNS, Source
from pipeline_steps.records.manifest import UNLABELLED, inner_path
from pipeline_steps.records.skin_scales import SkinColumn, SkinRecord, parse_skin, skin_columns, unknown_skin
from pipeline_steps.records.text_tables import require_columns
from pipeline_steps.records.unknown import is_unknown, plain
from pipeline_steps.stage.errors import DataError

_PLACE = re.compile(r"\{([^{}]*)\}")  # of a column in a pattern of file names


def read_mapped(m: Mapped, decoding: Decoding, other_skin: Sequence[SkinColumn] = ()) -> Source:
    """Read one table of a person's own under its column mapping."""
    return read_published(replace(published_table(m), other_skin=other_skin), decoding)


def read_published(published: Published, decoding: Decoding) -> Source:
    """The images that a data set's rows name, one row an image.

    Files are looked up once, before any is opened: by name, by the same name in Unicode's other form (NFC or NFD), by
    the same name in another case; of archives, in any folder.

    Raises:
        DataError: a column is missing, ids conflict, a skin type is none, a name leaves the folder.
    """
    m = published.mapped
    _require_columns(published)
    rows = _distinct(published.rows)
    _refuse_contradictions(m, rows)
    table, told = _told(m, rows)
    table["other_skin"] = _other_skin(m, published.other_skin, rows)
    _refuse_case_collisions(m, table)
    find = look_anywhere if published.anywhere else look_up
    masks = find(m.masks, _named(m, "mask", rows)) if m.mask else Found((), 0, 0)
    images = find(m.images, table["file"], [m.masks / name for name in masks.names if name])
    report = {
        "rows": len(published.rows),
        "duplicate_rows": len(published.rows) - len(rows),
        **told,
        **published.counts,
        "files_without_row": images.others,
        "files_by_another_spelling": images.respelled + masks.respelled,
        "masks_found": sum(name is not None for name in masks.names),
    }
    lacking = "" if any(images.names) else nothing_found(m, list(table["file"]))
    load = Loader(m, rows, images.names, masks.names, decoding)
    return Source(table, load, report, threads=2, lacking=lacking, key=load.key)


def _require_columns(published: Published) -> None:
    m, there = published.mapped, list(published.rows[0].cells)
    wanted = [c for c in (m.image_id, m.condition, m.skin_type, m.patient_id, m.lesion_id, *m.attributes) if c]
    require_columns(m.csv, [*wanted, *(s.name for s in published.other_skin)], there)
    for key, pattern in (("file", m.file), ("mask", m.mask), ("skin_assigner", m.skin_assigner)):
        require_columns(m.csv, _PLACE.findall(pattern), [*there, "stem"], f" of {key} {pattern!r}")
    if not m.skin_type:
        n = len(published.rows)
        print(f"{m.csv}: no column of skin types is named, so the type of all {n} images is unknown", flush=True)


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Rows that say the same are one, the first."""
    kept: dict[tuple[object, ...], Row] = {}
    for row in rows:
        kept.setdefault((*row.cells.values(), row.licence, *row.facts.items(), row.unusable), row)
    return list(kept.values())


def _told(m: Mapped, rows: list[Row]) -> tuple[pd.DataFrame, dict[str, int]]:
    """What distinct rows say of their images, in the columns of a source, and counts of what they leave open."""
    skin = [_skin(m, row) if m.skin_type else unknown_skin() for row in rows]
    conditions = [" ".join(row.cells[m.condition].lower().split()) for row in rows]  # one blank between words
    blank = [is_unknown(condition) for condition in conditions]
    patients = _ids(rows, m.patient_id)
    lesions, shared = lesion_keys(patients, _ids(rows, m.lesion_id))
    licences = pd.DataFrame([row.licence for row in rows])
    table = pd.DataFrame(
        {
            "image_id": image_ids(row.cells[m.image_id] for row in rows),
            "file": _named(m, "file", rows),
            "condition": [UNLABELLED if b else _composed(c) for b, c in zip(blank, conditions, strict=True)],
            **skin_columns(skin),
            "patient_id": patients,
            "lesion_id": lesions,
            "role": "study",
            "attributes": [json.dumps(_attributes(m, row)) for row in rows],
            **{str(column): licences[column] for column in licences},
        },
        columns=list(COLUMNS),
    )
    unsaid = {"skin_type_unknown": sum(not s.scale for s in skin), "label_blank": sum(blank)}
    alone = {"images_without_patient_or_lesion": int(((patients == "") & (lesions == "")).sum())}
    return table, {**unsaid, "lesion_ids_of_several_patients": shared, **alone}


def _attributes(m: Mapped, row: Row) -> dict[str, str]:
    return {c: " ".join(row.cells[c].split()) for c in m.attributes} | dict(row.facts)


def lesion_keys(patients: pd.Series, lesions: pd.Series) -> tuple[pd.Series, int]:
    """What names a lesion, and how many lesion ids several patients have.

    Where there is one such id, lesions are numbered within patients, and the key is patient and lesion together (as a
    JSON list, which no other pair gives). An id without a patient then names a lesion among those without a patient.
    """
    known = (patients != "") & (lesions != "")
    owners = patients[known].groupby(lesions[known]).nunique()
    shared = int((owners > 1).sum())
    if not shared:
        return lesions, 0
    pairs = [json.dumps([p, n], ensure_ascii=False) for p, n in zip(patients, lesions, strict=True)]
    return lesions.mask(known, pd.Series(pairs, index=lesions.index)), shared


def _ids(rows: list[Row], column: str) -> "pd.Series[str]":
    """Ids without those that say "unknown": written as a word, they would join strangers."""
    said = [row.cells[column] if column else "" for row in rows]
    return pd.Series(["" if is_unknown(cell) else _composed(cell) for cell in said], dtype=object)


def _composed(name: str) -> str:
    """Labels and ids in Unicode's composed form: they are names, not files'."""
    return unicodedata.normalize("NFC", name)


def _named(m: Mapped, key: str, rows: list[Row]) -> list[str]:
    """The file names that a pattern gives, each within its folder; empty where a cell that it is made of is unknown."""
    pattern, folder = (m.file, m.images) if key == "file" else (m.mask, m.masks)
    names = []
    for row in rows:
        cells = {**row.cells, "stem": stem(row.cells[m.image_id])}
        unknown = any(is_unknown(cells[column]) for column in _PLACE.findall(pattern))
        name = "" if unknown else _PLACE.sub(lambda found: cells[found[1]], pattern)  # noqa: B023
        try:
            if name:
                inner_path(folder, name)
        except DataError as error:
            raise DataError(f"{row.place}: {error}") from None
        names.append(name)
    return names


def _refuse_contradictions(m: Mapped, rows: list[Row]) -> None:
    if blank := [row.place for row in rows if is_unknown(row.cells[m.image_id])]:
        raise DataError(
            f"{blank[0]}, column {m.image_id}: blank or a word for unknown is no image's id ({len(blank)} such rows); "
            "name the image, or delete the row"
        )
    places: dict[str, list[str]] = {}
    for row in rows:
        places.setdefault(_composed(row.cells[m.image_id]), []).append(row.place.rpartition(", ")[2])
    if again := {name: where for name, where in places.items() if len(where) > 1}:
        first = next(iter(again))
        raise DataError(
            f"{m.csv}, {' and '.join(again[first][:3])}: rows with one {m.image_id} say different things ({first}; "
            f"{len(again)} such images); keep one row an image"
        )


def _skin(m: Mapped, row: Row) -> SkinRecord:
    said = row.cells
    who = _PLACE.sub(lambda found: "" if is_unknown(said[found[1]]) else plain(said[found[1]]), m.skin_assigner)
    return _skin_record(SkinColumn(m.skin_type, m.skin_scale, who), row)


def _skin_record(column: SkinColumn, row: Row) -> SkinRecord:
    try:
        return parse_skin(row.cells[column.name], column.scale, column.assigner)
    except ValueError as error:
        raise DataError(
            f"{row.place}, column {column.name}: {error}; mend the cell, leave it blank, or set skin_scale (here "
            f"{column.scale}) to the scale that the column is on"
        ) from None


def _other_skin(m: Mapped, others: Sequence[SkinColumn], rows: list[Row]) -> list[str]:
    """For each row the records of columns other than the one that counts, by column, as JSON."""
    kept = [column for column in others if column.name != m.skin_type]
    return [json.dumps({column.name: asdict(_skin_record(column, row)) for column in kept}) for row in rows]


def _refuse_case_collisions(m: Mapped, table: pd.DataFrame) -> None:
    names = table.loc[table["file"] != "", "file"].drop_duplicates()
    collisions = names[names.str.casefold().duplicated(keep=False)]
    if len(collisions):
        raise DataError(
            f"{m.csv}: file names differ in case alone ({', '.join(collisions[:4])}); "
            "they are one file on some systems: rename them"
        )
