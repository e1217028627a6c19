"""Any CSV with any folder of images: columns are mapped by name, every oddity is counted or refused."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from pipeline_steps.datasets.files import Found, image_ids, look_up, nothing_found, stem
from pipeline_steps.datasets.source import COLUMNS, OF_MASK, Loaded, Source
from pipeline_steps.parameters.ingest import Mapped
from pipeline_steps.pixels.images import read_image, read_mask
from pipeline_steps.records.manifest import UNLABELLED, inner_path, safe_path
from pipeline_steps.records.skin_scales import SkinColumn, SkinRecord, parse_skin, skin_columns, unknown_skin
from pipeline_steps.records.text_tables import read_numbered, require_columns
from pipeline_steps.records.unknown import is_unknown, plain
from pipeline_steps.stage.errors import BadImageError, DataError

_PLACE = re.compile(r"\{([^{}]*)\}")  # of a column in a pattern of file names


@dataclass(frozen=True)
class Decoding:
    """How images become pixels: side in pixels, resize rule, and the largest image accepted."""

    size: int
    resize: str
    max_pixels: int


def read_mapped(
    m: Mapped,
    decoding: Decoding,
    renamed: Mapping[str, str] | None = None,
    other_skin: Sequence[SkinColumn] = (),
) -> Source:
    """Read a table under its column mapping; ``renamed`` maps its labels to this project's.

    ``other_skin``: columns that tell skin, too, such as other raters'; they are kept as they are, in ``other_skin``.

    Files are looked up once, before any is opened: by name, by the same name in Unicode's other form (NFC or NFD), by
    the same name in another case.

    Raises:
        DataError: no file, a column is missing, ids conflict, a skin type is none, a name leaves the folder.
    """
    raw, numbers = _read_columns(m, other_skin)
    distinct = raw.drop_duplicates()
    where = [f"{m.csv}, row {numbers[i]}" for i in distinct.index]
    distinct = distinct.reset_index(drop=True)
    _refuse_contradictions(m, distinct[m.image_id], where)
    rows: list[dict[str, str]] = distinct.assign(stem=distinct[m.image_id].map(stem)).to_dict("records")  # type: ignore[assignment]
    table, told = _told(m, distinct, rows, where)
    table["other_skin"] = _other_skin(m, other_skin, rows, where)
    table["condition"] = table["condition"].replace(dict(renamed or {}))
    _refuse_case_collisions(m, table)
    masks = look_up(m.masks, _named(m, "mask", rows, where)) if m.mask else Found((), 0, 0)
    images = look_up(m.images, table["file"], [m.masks / name for name in masks.names if name])
    report = {
        "rows": len(raw),
        "duplicate_rows": len(raw) - len(distinct),
        **told,
        "files_without_row": images.others,
        "files_by_another_spelling": images.respelled + masks.respelled,
        "masks_found": sum(name is not None for name in masks.names),
    }
    lacking = "" if any(images.names) else nothing_found(m, list(table["file"]))
    return Source(table, Loader(m, images.names, masks.names, decoding), report, threads=2, lacking=lacking)


def _told(
    m: Mapped, distinct: pd.DataFrame, rows: list[dict[str, str]], where: list[str]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """What distinct rows say of their images, in the columns of a source, and counts of what they leave open."""
    skin = [_skin(m, w, row) if m.skin_type else unknown_skin() for w, row in zip(where, rows, strict=True)]
    conditions = distinct[m.condition].str.lower().str.split().str.join(" ")  # one blank between words, and no other
    blank, patients = conditions.map(is_unknown), _ids(distinct, m.patient_id)
    lesions, shared = lesion_keys(patients, _ids(distinct, m.lesion_id))
    table = pd.DataFrame(
        {
            "image_id": image_ids(distinct[m.image_id]),
            "file": _named(m, "file", rows, where),
            "condition": conditions.mask(blank, UNLABELLED),
            **skin_columns(skin),
            "patient_id": patients,
            "lesion_id": lesions,
            "role": "study",
            "attributes": [json.dumps({c: " ".join(row[c].split()) for c in m.attributes}) for row in rows],
        },
        columns=list(COLUMNS),
    )
    unsaid = {"skin_type_unknown": sum(not s.scale for s in skin), "label_blank": int(blank.sum())}
    return table, {**unsaid, "lesion_ids_of_several_patients": shared}


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


def _ids(table: pd.DataFrame, column: str) -> pd.Series:
    """Ids without those that say "unknown": written as a word, they would join strangers."""
    return table[column].mask(table[column].map(is_unknown), "") if column else pd.Series("", index=table.index)


def _read_columns(m: Mapped, other_skin: Sequence[SkinColumn]) -> tuple[pd.DataFrame, list[int]]:
    """The table and the number of each row; labels and ids in Unicode's composed form: they are names, not files'."""
    raw, numbers = read_numbered(m.csv)
    wanted = [c for c in (m.image_id, m.condition, m.skin_type, m.patient_id, m.lesion_id, *m.attributes) if c]
    require_columns(m.csv, [*wanted, *(s.name for s in other_skin)], raw.columns)
    for key, pattern in (("file", m.file), ("mask", m.mask), ("skin_assigner", m.skin_assigner)):
        require_columns(m.csv, _PLACE.findall(pattern), [*raw.columns, "stem"], f" of {key} {pattern!r}")
    if not m.skin_type:
        print(f"{m.csv}: no column of skin types is named, so the type of all {len(raw)} images is unknown", flush=True)
    named = {c for c in (m.condition, m.patient_id, m.lesion_id) if c and c != m.image_id}
    return raw.assign(**{c: raw[c].str.normalize("NFC") for c in named}), numbers


def _named(m: Mapped, key: str, rows: list[dict[str, str]], where: list[str]) -> list[str]:
    """The file names that a pattern gives, each within its folder; empty where a cell that it is made of is unknown."""
    pattern, folder = (m.file, m.images) if key == "file" else (m.mask, m.masks)
    names = []
    for row, place in zip(rows, where, strict=True):
        cells = [row[column] for column in _PLACE.findall(pattern)]
        name = "" if any(map(is_unknown, cells)) else _PLACE.sub(lambda found: row[found[1]], pattern)  # noqa: B023
        try:
            if name:
                inner_path(folder, name)
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
        names.append(name)
    return names


def _refuse_contradictions(m: Mapped, ids: "pd.Series[str]", where: list[str]) -> None:
    if blank := [place for place, name in zip(where, ids, strict=True) if is_unknown(name)]:
        raise DataError(
            f"{blank[0]}, column {m.image_id}: blank or a word for unknown is no image's id ({len(blank)} such rows); "
            "name the image, or delete the row"
        )
    composed = ids.str.normalize("NFC")
    if (again := composed.duplicated(keep=False)).any():
        first = composed[again].iloc[0]
        places = [place.rpartition(", ")[2] for place, name in zip(where, composed, strict=True) if name == first]
        raise DataError(
            f"{m.csv}, {' and '.join(places[:3])}: rows with one {m.image_id} say different things ({first}; "
            f"{composed[again].nunique()} such images); keep one row an image"
        )


def _skin(m: Mapped, place: str, row: Mapping[str, str]) -> SkinRecord:
    who = _PLACE.sub(lambda found: "" if is_unknown(row[found[1]]) else plain(row[found[1]]), m.skin_assigner)
    return _skin_record(SkinColumn(m.skin_type, m.skin_scale, who), place, row)


def _skin_record(column: SkinColumn, place: str, row: Mapping[str, str]) -> SkinRecord:
    try:
        return parse_skin(row[column.name], column.scale, column.assigner)
    except ValueError as error:
        raise DataError(
            f"{place}, column {column.name}: {error}; mend the cell, leave it blank, or set skin_scale (here "
            f"{column.scale}) to the scale that the column is on"
        ) from None


def _other_skin(m: Mapped, others: Sequence[SkinColumn], rows: list[dict[str, str]], where: list[str]) -> list[str]:
    """For each row the records of columns other than the one that counts, by column, as JSON."""
    kept = [column for column in others if column.name != m.skin_type]
    return [
        json.dumps({column.name: asdict(_skin_record(column, w, row)) for column in kept})
        for w, row in zip(where, rows, strict=True)
    ]


def _refuse_case_collisions(m: Mapped, table: pd.DataFrame) -> None:
    names = table.loc[table["file"] != "", "file"].drop_duplicates()
    collisions = names[names.str.casefold().duplicated(keep=False)]
    if len(collisions):
        raise DataError(
            f"{m.csv}: file names differ in case alone ({', '.join(collisions[:4])}); "
            "they are one file on some systems: rename them"
        )


@dataclass(frozen=True)
class Loader:
    """Loads the image (and mask, where one lies there) at a position of the table; ``files``: None where none lies."""

    m: Mapped
    files: tuple[str | None, ...]
    masks: tuple[str | None, ...]
    d: Decoding

    def __call__(self, position: int) -> Loaded:
        """Pixels and mask of one row; FileNotFoundError or BadImageError say why not."""
        name = self.files[position]
        if name is None:
            raise FileNotFoundError
        path = _within(self.m.images, name)
        pixels, notes = read_image(path, self.d.size, self.d.resize, self.d.max_pixels)
        drawn = self.masks[position] if self.masks else None
        if drawn is None:
            return Loaded(pixels, None, notes)
        try:
            place = _within(self.m.masks, drawn)
            if place.samefile(path):
                raise BadImageError("the photograph itself: the pattern of masks names it, too")
            mask, on_mask = read_mask(place, self.d.size, self.d.resize, self.d.max_pixels, photograph=path)
        except BadImageError as error:
            raise BadImageError(f"{OF_MASK}{error}") from None
        return Loaded(pixels, mask, (*notes, *(f"{OF_MASK}{note}" for note in on_mask)))


def _within(folder: Path, name: str) -> Path:
    """A file in a folder; one link that leads out of it is one image's fault."""
    try:
        return safe_path(folder, name)
    except (DataError, RuntimeError):  # RuntimeError: links in a circle
        raise BadImageError("a link that leads out of its folder, or nowhere: copy the file instead") from None
