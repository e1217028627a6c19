"""Any CSV with any folder of images: columns are mapped by name, every oddity is counted or refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline_steps.datasets.source import COLUMNS, Loaded, Source
from pipeline_steps.parameters.ingest import Mapped
from pipeline_steps.records.errors import BadImageError, DataError
from pipeline_steps.records.images import read_image, read_mask
from pipeline_steps.records.manifest import UNLABELLED, safe_path
from pipeline_steps.records.skin_types import parse_skin_type


@dataclass(frozen=True)
class Decoding:
    """How images become pixels: side in pixels, resize rule, and the largest image accepted."""

    size: int
    resize: str
    max_pixels: int


def read_mapped(m: Mapped, decoding: Decoding, renamed: Mapping[str, str] | None = None) -> Source:
    """Read a table under its column mapping; ``renamed`` maps its labels to this project's.

    Raises:
        DataError: no file, a column is missing, ids conflict, a skin type is none, a name leaves the folder.
    """
    raw = _read_columns(m)
    distinct = raw.drop_duplicates(ignore_index=True)
    ids = distinct[m.image_id].str.strip()
    stems = ids.str.replace(r"\.(png|jpe?g|webp|tiff?|bmp)$", "", regex=True, case=False)
    _refuse_contradictions(m, ids)
    rows: list[dict[str, str]] = distinct.assign(stem=stems).to_dict("records")  # type: ignore[assignment]
    skin = [_skin_type(m, i, value) for i, value in enumerate(distinct[m.skin_type])]
    conditions = distinct[m.condition].str.strip().str.lower()
    blank, patients = conditions == "", _ids(distinct, m.patient_id)
    lesions, shared = lesion_keys(patients, _ids(distinct, m.lesion_id))
    table = pd.DataFrame(
        {
            "image_id": stems,
            "file": [m.file.format(**row) for row in rows],
            "condition": conditions.replace(dict(renamed or {})).mask(blank, UNLABELLED),
            "fitzpatrick_scale": pd.array([t for t, _ in skin], dtype="Int64"),
            "skin_group": [g or "" for _, g in skin],
            "skin_source": [m.skin_type if g else "" for _, g in skin],
            "patient_id": patients,
            "lesion_id": lesions,
            "role": "study",
            "attributes": [json.dumps({c: row[c] for c in m.attributes}) for row in rows],
        },
        columns=list(COLUMNS),
    )
    _refuse_case_collisions(m, table)
    report = {
        "rows": len(raw),
        "duplicate_rows": len(raw) - len(distinct),
        "skin_type_unknown": sum(g is None for _, g in skin),
        "label_blank": int(blank.sum()),
        "lesion_ids_of_several_patients": shared,
    }
    return Source(table, _loader(m, table["file"], rows if m.mask else [], decoding), report, threads=2)


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
    return table[column].str.strip() if column else pd.Series("", index=table.index)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV as text, a byte-order mark and blanks included.

    Raises:
        DataError: there is no such file, or it is not a table.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; set its location under ingest.sources in params.yaml")
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a CSV table in UTF-8: {error}") from None


def _read_columns(m: Mapped) -> pd.DataFrame:
    raw = read_csv(m.csv)
    wanted = [c for c in (m.image_id, m.condition, m.skin_type, m.patient_id, m.lesion_id, *m.attributes) if c]
    absent = [c for c in wanted if c not in raw.columns]
    if absent:
        raise DataError(f"{m.csv} has no column {', '.join(absent)}; it has {', '.join(raw.columns)}")
    return raw


def _refuse_contradictions(m: Mapped, ids: pd.Series) -> None:
    if ids.duplicated().any():
        twice = ", ".join(sorted(ids[ids.duplicated()].unique())[:5])
        raise DataError(f"{m.csv}: rows with one {m.image_id} say different things ({twice}); keep one row an image")


def _skin_type(m: Mapped, position: int, value: str) -> tuple[int | None, str | None]:
    try:
        return parse_skin_type(value)
    except ValueError as error:
        raise DataError(f"{m.csv}, row {position + 2}, column {m.skin_type}: {error}") from None


def _refuse_case_collisions(m: Mapped, table: pd.DataFrame) -> None:
    names = table["file"].drop_duplicates()
    collisions = names[names.str.casefold().duplicated(keep=False)]
    if len(collisions):
        raise DataError(
            f"{m.csv}: file names differ in case alone ({', '.join(collisions[:4])}); "
            "they are one file on some systems: rename them"
        )


def _loader(m: Mapped, files: pd.Series, masked: list[dict[str, str]], d: Decoding) -> "Loader":
    masks = [m.mask.format(**row) for row in masked]
    for name in (*files, *masks):
        safe_path(m.images, name)
    return Loader(m, tuple(files), tuple(masks), d)


@dataclass(frozen=True)
class Loader:
    """Loads the image (and mask, where one lies there) at a position of the table."""

    m: Mapped
    files: tuple[str, ...]
    masks: tuple[str, ...]
    d: Decoding

    def __call__(self, position: int) -> Loaded:
        """Pixels and mask of one row; FileNotFoundError or BadImageError say why not."""
        path = safe_path(self.m.images, self.files[position])
        if not path.is_file():
            raise FileNotFoundError(str(path))
        pixels, notes = read_image(path, self.d.size, self.d.resize, self.d.max_pixels)
        drawn = safe_path(self.m.masks, self.masks[position]) if self.masks else None
        if drawn is None or not drawn.is_file():
            return Loaded(pixels, None, notes)
        try:
            mask, on_mask = read_mask(drawn, self.d.size, self.d.resize, self.d.max_pixels, photograph=path)
        except BadImageError as error:
            raise BadImageError(f"mask: {error}") from None
        return Loaded(pixels, mask, (*notes, *(f"mask: {note}" for note in on_mask)))
