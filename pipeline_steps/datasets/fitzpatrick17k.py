"""Fitzpatrick17k (Groh et al. 2021): 16,577 rows, many dead links, image files named by their MD5.

Local folder first; the download resumes, checks each file against its MD5 and reports what is gone.
CC BY-NC-SA 3.0. Two crowds told skin types: ``fitzpatrick_scale`` is that of Wang et al. 2024's
Table 1, ``fitzpatrick_centaur`` often disagrees.
"""

import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import get_args

import httpx
import pandas as pd
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipeline_steps.datasets.source import Loaded, Source
from pipeline_steps.datasets.table import Decoding, read_mapped
from pipeline_steps.parameters.ingest import Fitzpatrick17kSkin as SkinType
from pipeline_steps.parameters.ingest import Mapped
from pipeline_steps.records.skin_scales import SkinColumn
from pipeline_steps.records.text_tables import read_text_table, require_columns
from pipeline_steps.records.unknown import is_unknown
from pipeline_steps.stage.errors import BadImageError, DataError
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.progress import Track

log = logging.getLogger(__name__)
_TRANSIENT = (httpx.TimeoutException, httpx.NetworkError)


def read(
    csv: Path, images: Path, skincon: Path | None, check_md5: bool, skin_type: SkinType, *, decoding: Decoding
) -> Source:
    """Read the annotation table; ``skincon`` adds its 48 concepts as attributes.

    ``skin_type``: which of its two columns counts; the other one, where the table has it, is kept in ``other_skin``.

    Raises:
        DataError: as ``read_mapped``.
    """
    rows = read_text_table(csv)
    raters = [SkinColumn(name, "fitzpatrick", "crowd") for name in get_args(SkinType) if name in rows.columns]
    source = read_mapped(_mapped(csv, images, skin_type), decoding, other_skin=raters)
    require_columns(csv, ["url"], rows.columns)
    missing_url = int(rows["url"].map(is_unknown).sum())
    table, report = source.table, {**source.report, "url_missing": missing_url}
    if skincon:
        table, concepts = _with_concepts(table, skincon)
        report |= concepts

    def load(position: int) -> Loaded:
        path = images / table["file"].iloc[position]
        if check_md5 and path.is_file() and _md5(path) != table["image_id"].iloc[position]:
            raise BadImageError("bytes differ from the MD5 in the table")
        return source.load(position)

    return replace(source, table=table, load=load, report=report)


def _mapped(csv: Path, images: Path, skin_type: SkinType) -> Mapped:
    return Mapped(
        csv=csv,
        images=images,
        masks=images,
        file="{md5hash}.jpg",
        mask="",
        image_id="md5hash",
        condition="label",
        skin_type=skin_type,
        skin_scale="fitzpatrick",
        skin_assigner="crowd",
        patient_id="",
        lesion_id="",
        attributes=(),
    )


def download(csv: Path, images: Path, labels: set[str], workers: int = 4) -> dict[str, int]:
    """Fetch what the folder lacks of ``labels`` (all where empty); counts of present, fetched, gone, wrong.

    Files appear only when their MD5 fits, so an interrupted run goes on where it stopped.
    """
    table = read_text_table(csv)
    require_columns(csv, ["md5hash", "url", "label"], table.columns)
    wanted = table[table["label"].isin(labels)] if labels else table
    todo = [(r.md5hash, r.url) for r in wanted.itertuples() if not (images / f"{r.md5hash}.jpg").exists()]
    with httpx.Client(timeout=30, follow_redirects=True) as client, ThreadPoolExecutor(workers) as pool:
        outcomes = list(Track(pool.map(lambda job: _fetch(client, images, *job), todo), "download", len(todo)))
    counts = {kind: outcomes.count(kind) for kind in ("fetched", "gone", "wrong", "no url")}
    return {"present": len(wanted) - len(todo), **counts}


def _fetch(client: httpx.Client, images: Path, md5: str, url: str) -> str:
    if not url.strip():
        return "no url"
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(_TRANSIENT),
            stop=stop_after_attempt(3),
            wait=wait_random_exponential(max=10),
            reraise=True,
        ):
            with attempt:
                response = client.get(url)
    except httpx.HTTPError as error:
        log.info("%s: %s", url, error)
        return "gone"
    if response.status_code != httpx.codes.OK:
        return "gone"
    if hashlib.md5(response.content, usedforsecurity=False).hexdigest() != md5:
        return "wrong"
    with atomic_file(images / f"{md5}.jpg") as temporary:
        temporary.write_bytes(response.content)
    return "fetched"


def _with_concepts(table: pd.DataFrame, skincon: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    concepts = read_text_table(skincon)
    skip = "Do not consider this image"
    if "ImageID" not in concepts or skip not in concepts:
        raise DataError(f"{skincon} is not SkinCon's table: it lacks ImageID or {skip!r}")
    names = [c for c in concepts.columns if c not in {"", "Unnamed: 0", "ImageID", skip}]
    by_id = {
        row["ImageID"].removesuffix(".jpg"): {c: "yes" for c in names if row[c] in {"1", "1.0"}}
        for row in concepts.to_dict("records")
        if row[skip] not in {"1", "1.0"}
    }
    attributes = [json.dumps(by_id.get(i, {})) for i in table["image_id"]]
    unusable = int((concepts[skip].isin({"1", "1.0"})).sum())
    joined = sum(i in by_id for i in table["image_id"])
    return table.assign(attributes=attributes), {"concepts_joined": joined, "concepts_unusable": unusable}


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
