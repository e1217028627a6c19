"""Turn a data set into one manifest, and files of decoded pixels by their content.

Reads: what ``ingest.adapter`` names. Writes: ``data/dataset`` (``manifest.parquet``, ``images``, ``masks`` of those
that have one), ``metrics/ingest.json``.
Missing images stay rows, so that selection works on metadata alone; unusable ones are quarantined with a reason.
Both are counted by skin type; notes (colours that were converted, a profile or EXIF that can't be used) are counted.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_steps.datasets.catalogue import DATA_SETS
from pipeline_steps.datasets.data_set import KINDS, Decoding
from pipeline_steps.datasets.decoded import keep_image, known_image
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.datasets.source import OF_MASK, Loaded, Source
from pipeline_steps.items.store import ItemStore, default_store
from pipeline_steps.pixels.images import MACHINES, digest
from pipeline_steps.pixels.mask_extent import INVERTED
from pipeline_steps.records.image_files import IMAGES, MASKS, write_image
from pipeline_steps.records.manifest import MISSING, PRESENT, QUARANTINED, by_skin_type
from pipeline_steps.records.privacy import public_ids, without_places
from pipeline_steps.records.schema import SCHEMA, validate
from pipeline_steps.stage.errors import BadImageError, DataError
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import ParamsError, read_params
from pipeline_steps.stage.progress import Track
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.unchanged import listing, refuse_changed_files
from pipeline_steps.stage.wiring import MAKER


def read_source(params: IngestParams) -> Source:
    """Read the tables of the data set that the parameters name, and look whether the files that they name are there.

    Raises:
        DataError: its table is not there or none, or none of the images, or of the masks, is where it should be.
    """
    decoding = Decoding(params.image_size, params.resize, params.max_pixels)
    source = DATA_SETS[params.adapter].read(params.source, decoding)
    if params.without_images:
        return replace(source, load=_no_image)
    if source.lacking:
        raise DataError(f"{source.lacking}; or set ingest.without_images to true to read the table alone")
    return source


@dataclass(frozen=True)
class _Outcome:
    """What became of a row: digests of its image's and its mask's pixels, and notes; or the ``reason`` of none.

    The reason is empty where there is no file; ``mask`` where there is none.
    """

    image: str
    mask: str
    notes: tuple[str, ...]
    reason: str = ""


def _refuse_inverted(outcomes: Sequence[_Outcome]) -> None:
    """Masks of a set are of one kind: where most seem inverted, so are those that touch their images' edges."""
    inverted = sum(outcome.reason == f"{OF_MASK}{INVERTED}" for outcome in outcomes)
    read = sum(bool(outcome.mask) for outcome in outcomes)
    if inverted > read + 1:
        raise DataError(
            f"{inverted} of {inverted + read} masks are marked along their whole edge and not within: they seem to be "
            "inverted, all of them; save lesions in white on black"
        )


def _no_image(_position: int) -> Loaded:
    raise FileNotFoundError


def ingest(source: Source, out: Path, store: ItemStore) -> dict[str, object]:
    """Decode every image once into ``out``; returns the counts that go into the metrics.

    What was decoded before, with the same parameters and code, comes from the ``store``.
    """
    with ThreadPoolExecutor(source.threads) as pool:
        jobs = pool.map(lambda i: _written(source, i, out, store), range(len(source.table)))
        outcomes = list(Track(jobs, "ingest", len(source.table)))
    _refuse_inverted(outcomes)
    manifest = validate(_manifest(source.table, outcomes))
    manifest.to_parquet(out / "manifest.parquet", index=False)
    return {"table": source.report, **counts(manifest)}


def _written(source: Source, position: int, out: Path, store: ItemStore) -> _Outcome:
    """Write the image and the mask of a row; what became of them."""
    key = source.key(position)
    known = known_image(key, store)
    loaded = known or _try(source, position)
    if isinstance(loaded, str):
        return _Outcome("", "", (), loaded)
    if known is None:
        keep_image(key, loaded, store)
    pixels, mask, notes = loaded
    image, marked = digest(pixels), "" if mask is None else digest(mask)
    write_image(out, IMAGES, image, pixels)
    if mask is not None:
        write_image(out, MASKS, marked, mask)
    return _Outcome(image, marked, notes)


def counts(manifest: pd.DataFrame) -> dict[str, object]:
    """Images by status; those that are missing or quarantined by skin type and reason; notes."""
    status = {s: manifest[manifest["image_status"] == s] for s in (PRESENT, MISSING, QUARANTINED)}
    reasons = status[QUARANTINED].groupby("reason")
    notes = manifest.loc[manifest["notes"] != "", "notes"].str.split("; ").explode()
    return {
        "images": {s: len(rows) for s, rows in status.items()},
        "quarantine_reasons": {str(reason): len(rows) for reason, rows in reasons},
        "missing_by_skin_type": by_skin_type(status[MISSING]),
        "quarantined_by_skin_type": {str(reason): by_skin_type(rows) for reason, rows in reasons},
        "notes": {str(note): len(rows) for note, rows in notes.groupby(notes)},
        "notes_by_skin_type": {str(n): by_skin_type(manifest.loc[rows.index]) for n, rows in notes.groupby(notes)},
    }


def _try(source: Source, position: int) -> Loaded | str:
    """The loaded image, or the reason why there is none (empty: no file): no image ends the stage for the others.

    Raises:
        DataError: the machine is at fault, so that other images would fare alike.
    """
    try:
        return source.load(position)
    except FileNotFoundError:
        return ""
    except BadImageError as reason:
        return _without_files(reason)
    except Exception as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in MACHINES):
            image, fault = source.table["image_id"].iloc[position], getattr(error, "strerror", None) or "out of memory"
            raise DataError(
                f"image {image}: {fault}. That is this machine's fault, not the image's: close what else runs, or "
                "lower ingest.max_pixels, and run again"
            ) from error
        said = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        return f"can't be read: {without_places(str(said))}"


def _without_files(reason: BadImageError) -> str:
    """What is wrong with an image, without the names of its files: reasons are counted in metrics."""
    said, cause = str(reason), reason.__context__
    while cause is not None:
        if isinstance(cause, OSError) and cause.filename:
            said = said.replace(repr(str(cause.filename)), "its file")
        cause = cause.__context__
    return without_places(said)


def _manifest(table: pd.DataFrame, outcomes: Sequence[_Outcome]) -> pd.DataFrame:
    filled = table.reset_index(drop=True).assign(
        image_status=[PRESENT if o.image else QUARANTINED if o.reason else MISSING for o in outcomes],
        reason=[o.reason for o in outcomes],
        notes=["; ".join(o.notes) for o in outcomes],
        is_synthetic=False,
        sha256=[o.image for o in outcomes],
        has_mask=[bool(o.mask) for o in outcomes],
        mask_sha256=[o.mask for o in outcomes],
    )
    return filled.assign(public_id=public_ids(filled))[list(SCHEMA.columns)]


def _require_images(report: Mapping[str, Any]) -> None:
    images, reasons = report["images"], report["quarantine_reasons"]
    if not images[PRESENT] and images[QUARANTINED]:
        most = sorted(reasons, key=reasons.get, reverse=True)[:3]
        raise DataError(
            f"none of {images[QUARANTINED]} images can be used: {'; '.join(f'{r} ({reasons[r]})' for r in most)}"
        )


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, "--out", "--metrics")
    arguments.add_argument(
        "--reads", type=Path, nargs=len(KINDS), metavar=tuple(k.upper() for k in KINDS), required=True
    )
    args = arguments.parse_args()
    params = read_params(IngestParams, "ingest")
    if (named := params.reads()) != (watched := dict(zip(KINDS, map(str, args.reads), strict=True))):
        kind = next(k for k in KINDS if named[k] != watched[k])
        raise ParamsError(
            f"adapter {params.adapter} reads {named[kind]} as {kind}, and by cells.yaml DVC watches {watched[kind]}: "
            f"run '{MAKER}'"
        )
    before = listing(args.reads)
    source = read_source(params)
    with atomic_folder(args.out) as out:
        report = ingest(source, out, default_store())
        if not params.without_images:
            _require_images(report)
        refuse_changed_files(before, args.reads)
    write_metrics(args.metrics, report)


if __name__ == "__main__":
    run(main)
