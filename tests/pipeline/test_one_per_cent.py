"""One image of a hundred that is new or edited costs one image's work, in every stage that works image by image."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline_steps.audit import measure_quality
from pipeline_steps.datasets.data_set import Decoding, Mapped
from pipeline_steps.datasets.loader import Loader
from pipeline_steps.datasets.table import read_mapped
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.features.extractors import Extractor, cached_features
from pipeline_steps.ingest import ingest
from pipeline_steps.items.store import ItemStore
from pipeline_steps.pixels import appearance
from pipeline_steps.pixels.images import png_bytes
from pipeline_steps.records.image_files import IMAGES, MASKS
from pipeline_steps.records.manifest import open_dataset

N, SIDE = 100, 32


@pytest.fixture
def photographs(tmp_path):
    """A hundred photographs with masks, and their table."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    (tmp_path / "t.csv").write_text("file,label,type\n" + "".join(f"{i}.png,x,1\n" for i in range(N)))
    for i in range(N):
        _photograph(tmp_path, i, i)
    return tmp_path


def _photograph(folder, i, seed):
    rng = np.random.default_rng(seed)
    (folder / f"images/{i}.png").write_bytes(png_bytes(rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8)))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8 : 12 + seed % 8, 8:20] = 255
    (folder / f"masks/{i}.png").write_bytes(png_bytes(mask))


def _ingested(folder, name, store):
    mapped = Mapped(
        csv=folder / "t.csv", images=folder / "images", masks=folder / "masks", file="{file}", mask="{file}",
        image_id="file", condition="label", skin_type="type", patient_id="", lesion_id="", attributes=(),
        skin_scale="fitzpatrick", skin_assigner="",
    )  # fmt: skip
    (folder / name).mkdir()
    ingest(read_mapped(mapped, Decoding(SIDE, "squash", 10_000)), folder / name, store)
    return open_dataset(folder / name)


def _worked(folder, name, store, monkeypatch):
    """How many images each stage worked on, on the photographs as they are."""
    done: Counter[str] = Counter()
    load, quality, look = Loader.__call__, "pipeline_steps.audit.image_quality", appearance._appearance
    monkeypatch.setattr(Loader, "__call__", lambda self, i: done.update(["ingest"]) or load(self, i))
    monkeypatch.setattr(quality, lambda _image: done.update(["audit"]) or (0.0, 0.0, 0.0))
    monkeypatch.setattr(appearance, "_appearance", lambda *what: done.update(["screen"]) or look(*what))
    data = _ingested(folder, name, store)
    measure_quality(data, store)
    ids = data.manifest["image_id"]
    appearance.appearances(data.images(ids), range(len(ids)), data.masks_of(ids), store)
    e = Extractor("mean", "", lambda images: images.mean((1, 2)).astype(np.float32))
    done["features"] = cached_features(e, data.images(ids), store)[1].computed
    f = SimpleNamespace(encode=lambda _c, images: (torch.zeros(len(images), 4, 4, 4),) * 2)
    c = SimpleNamespace(digest="", dtype=torch.float32)
    done["latents"] = encode_images(f, c, data.images(ids), store)[1].computed
    monkeypatch.undo()
    return dict(done)


@pytest.mark.parametrize("change", ["new", "edited"])
def test_one_per_cent_costs_one_per_cent(photographs, change, monkeypatch):
    store = ItemStore(photographs / "items")
    stages = ("ingest", "audit", "screen", "features", "latents")
    assert _worked(photographs, "before", store, monkeypatch) == dict.fromkeys(stages, N)
    _photograph(photographs, N if change == "new" else 7, N)
    if change == "new":
        with (photographs / "t.csv").open("a") as table:
            table.write(f"{N}.png,x,1\n")
    assert _worked(photographs, "after", store, monkeypatch) == dict.fromkeys(stages, 1)


def test_dvc_stores_one_per_cent_more(photographs):
    """Files that an earlier version of the data set has, too, are not stored again."""
    store = ItemStore(photographs / "items")
    _ingested(photographs, "before", store)
    _photograph(photographs, 7, N)
    _ingested(photographs, "after", store)
    old, new = (
        {f.relative_to(photographs / name): f.stat().st_size for f in (photographs / name).rglob("*") if f.is_file()}
        for name in ("before", "after")
    )
    added = {f: size for f, size in new.items() if f.parts[0] in (IMAGES, MASKS) and f not in old}
    assert {f.parts[0] for f in added} <= {IMAGES, MASKS}
    assert 0 < sum(added.values()) <= 0.02 * sum(new.values())
    tables = [pd.read_parquet(photographs / name / "manifest.parquet") for name in ("before", "after")]
    assert (tables[0]["sha256"] != tables[1]["sha256"]).sum() == 1
