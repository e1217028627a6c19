"""The accepted images of a generated set, as a data set of its own under ids that lead back to nothing."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image, PngImagePlugin

from pipeline_steps.exporting.card import exported_card
from pipeline_steps.exporting.citations import data_key, entries, method_key
from pipeline_steps.exporting.licences import Terms, terms
from pipeline_steps.generation.synthetic import MASK_COLUMN, METADATA, STARTS_FROM_SOURCE, read_metadata
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import PARAMS_FILE, read_yaml

_KEPT = ("condition", "target_level", "prompt", STARTS_FROM_SOURCE, "licence", "redistribute")


@dataclass(frozen=True)
class Exported:
    """How many images were taken, of how many, and under which terms."""

    accepted: int
    generated: int
    terms: Terms


def export_images(cell: str, out: Path) -> Exported:
    """Write the accepted images of the cell ``cell`` into the folder ``out``, in the layout of an ``imagefolder``.

    An image gets a number of its own, in the order of a digest of its pixels, so that neither name nor order tells its
    source; so do sources (``source_group``), for a classifier's splits must not cross them. Of the text that files
    carry only that they are synthetic is kept: the seed and the source's public id can be computed by whoever holds
    the photograph (docs/privacy.md).

    Raises:
        DataError: nothing of the set was accepted.
    """
    folder = Path("data/synthetic") / cell
    made, verdict = read_metadata(folder), pd.read_parquet(Path("data/screened") / f"{cell}.parquet")
    taken = made[made["file_name"].isin(verdict["file_name"][verdict["accepted"]])]
    if not len(taken):
        raise DataError(
            f"of {len(made)} images of {cell!r} screening accepted none: metrics/screen/{cell}.json says why"
        )
    files = {name: (folder / name).read_bytes() for name in taken["file_name"]}
    order = sorted(files, key=lambda name: hashlib.sha256(_pixels(files[name]).tobytes()).hexdigest())
    table = _renamed(taken.set_index("file_name").loc[order].reset_index())
    (out / "images").mkdir()
    for old, new in zip(order, table["file_name"], strict=True):
        (out / new).write_bytes(_anew(files[old], Path(new).stem))
    if MASK_COLUMN in taken:
        masks = taken.set_index("file_name").loc[order, MASK_COLUMN]
        for old, new in zip(masks, table[MASK_COLUMN], strict=True):
            (out / new).write_bytes(_anew((folder / old).read_bytes(), Path(new).stem))
    table.to_csv(out / METADATA, index=False)
    found = terms(taken)
    _describe(cell, table, len(made), found, out)
    return Exported(len(table), len(made), found)


def _renamed(taken: pd.DataFrame) -> pd.DataFrame:
    """Metadata as they are handed on."""
    width = len(str(len(taken)))
    names = [f"images/s{number:0{width}}" for number in range(1, len(taken) + 1)]
    sources = {source: f"g{number}" for number, source in enumerate(dict.fromkeys(taken["source_id"]), 1)}
    kept = taken[[name for name in _KEPT if name in taken]].rename(columns={"target_level": "level"})
    table = kept.assign(source_group=taken["source_id"].map(sources), is_synthetic=True)
    table.insert(0, "file_name", [f"{name}.png" for name in names])
    return table.assign(**{MASK_COLUMN: [f"{name}-mask.png" for name in names]}) if MASK_COLUMN in taken else table


def _pixels(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file))


def _anew(file: bytes, name: str) -> bytes:
    """The same pixels as a PNG that says its new name, that it is synthetic, and nothing else."""
    said = PngImagePlugin.PngInfo()
    said.add_text("is_synthetic", "true")
    said.add_text("id", name)
    image, buffer = _pixels(file), io.BytesIO()
    plain = Image.frombytes(image.mode, image.size, image.tobytes())
    plain.save(buffer, "PNG", pnginfo=said)
    return buffer.getvalue()


def _describe(cell: str, table: pd.DataFrame, generated: int, found: Terms, out: Path) -> None:
    """The data card and whom to cite."""
    params: dict[str, Any] = read_yaml(PARAMS_FILE)
    wired = read_yaml(Path("cells.yaml"))["cells"]["generate"][cell]
    augmenter = wired["augmenter"]
    keys = [key for key in (method_key(augmenter), data_key(params["ingest"]["adapter"])) if key]
    bibliography = entries(keys)
    (out / "CITATION.bib").write_text(bibliography + "\n" if keys else "", "utf-8")
    base = params["base_models"].get(wired["base"], {}).get("location", "")
    settings = params["augmenters"][augmenter]
    text = exported_card(augmenter, base, settings, table, (generated, found, bibliography))
    (out / "README.md").write_text(text, "utf-8")
