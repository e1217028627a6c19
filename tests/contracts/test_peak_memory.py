"""No stage's memory grows with how many images, prompts or results there are: ten times as many cost a constant more.

Images are of 512 pixels and embeddings of FLUX.1's shape, so that a list of them would show.
"""

import ctypes
import gc
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from data_sets import write_data_set
from small_models import supervision

from pipeline_steps.audit import measure_quality
from pipeline_steps.datasets.source import COLUMNS, Loaded, Source
from pipeline_steps.diffusion import conditioning
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.features.extractors import Extractor, cached_features
from pipeline_steps.generate import generate
from pipeline_steps.generation.jobs import Inputs
from pipeline_steps.generation.modes.tone_transfer import ToneTransferParams
from pipeline_steps.generation.synthetic import images_of, read_metadata
from pipeline_steps.ingest import ingest
from pipeline_steps.items.store import ItemStore
from pipeline_steps.parameters.arms import ArmParams
from pipeline_steps.pixels.appearance import appearances
from pipeline_steps.records.manifest import Dataset
from pipeline_steps.vision.classification import fit_classifier
from pipeline_steps.vision.views import IMAGENET, Labelled, outputs

SIDE, FEW, MANY = 512, 6, 60
IMAGE = SIDE * SIDE * 3 / 2**20  # MiB
LATENTS = 16 * 64 * 64 * 2 * 4 / 2**20
PROMPT = 513 * 4096 * 4 / 2**20
_MMAP_THRESHOLD = -3  # of glibc's malloc.h
STATUS, PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")
HOW = supervision(updates=3, validate_every=3, rotation_degrees=0, horizontal_flip=False, seed=0)
PLAIN = ArmParams(images="real", copies=1, seed=0, policy="none", mix="none", mix_alpha=1.0)

pytestmark = pytest.mark.skipif(not PEAK.exists(), reason="the peak of a process can be reset on Linux alone")


def _image(i):
    """One of its own: smooth, so that files of it are quick to write."""
    return np.full((SIDE, SIDE, 3), (40 + i % 200, 60, 80), np.uint8)


@dataclass(frozen=True)
class Study:
    """A data set of many images with masks, from which a few or all are taken."""

    data: Dataset
    rows: pd.DataFrame

    def _ids(self, n):
        return [f"i{i % MANY}" for i in range(n)]

    def images(self, n):
        return self.data.images(self._ids(n))

    def masks(self, n):
        return self.data.masks_of(self._ids(n))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    rows = pd.DataFrame({"image_id": [f"i{i}" for i in range(MANY)], "condition": ["a", "b"] * (MANY // 2)})
    rows = rows.assign(level="1", population="majority", group=rows["image_id"], image_status="present")
    rows = rows.assign(partition="train", licence="CC0-1.0", redistribute="yes", attribution="")
    masks = np.zeros((MANY, SIDE, SIDE), bool)
    masks[:, 200:300, 200:300] = True
    data = write_data_set(folder / "data", rows, list(map(_image, range(MANY))), masks)
    return Study(data, data.manifest)


def _kib(name):
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(name))


def _peak(run):
    """MiB that ``run`` takes at its highest above what was taken before."""
    gc.collect()
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, 1 << 18)  # what is freed goes back at once, so that only what is held counts
    library.malloc_trim(0)
    PEAK.write_text("5")
    before = _kib("VmRSS")
    run()
    return (_kib("VmHWM") - before) / 1024


def _ingested(study, folder, n):
    table = pd.DataFrame("", index=range(n), columns=list(COLUMNS)).assign(
        image_id=[f"i{i}" for i in range(n)], condition="a", role="study", attributes="{}", other_skin="{}",
        redistribute="yes", fitzpatrick_scale=pd.array([1] * n, "Int64"),
    )  # fmt: skip
    folder.mkdir()
    source = Source(table, lambda i: Loaded(_image(i), None, ()), {"rows": n}, 2, key=lambda i: f"{n} {i}")
    ingest(source, folder, ItemStore(folder / "items"))


def _quality(study, folder, n):
    measure_quality(Dataset(study.rows[:n], study.data.folder), ItemStore(folder))


def _appearance(study, folder, n):
    appearances(study.images(n), range(n), study.masks(n), ItemStore(folder))


def _features(study, folder, n):
    extractor = Extractor("mean", "", lambda images: images.mean((1, 2)).astype(np.float32))
    cached_features(extractor, study.images(n), ItemStore(folder))


def _latents(study, folder, n):
    f = SimpleNamespace(encode=lambda _c, images: (torch.zeros(len(images), 16, 64, 64),) * 2, scale=lambda _c, x: x)
    c = SimpleNamespace(digest="", dtype=torch.float32)
    latents, _ = encode_images(f, c, study.images(n), ItemStore(folder))
    for row in range(0, n, 2):
        latents.draw(f, c, torch.tensor([row, row + 1]), torch.Generator())


def _prompts(study, folder, n):
    f = SimpleNamespace(embed=lambda _c, ids: torch.zeros(len(ids), 513, 4096))
    c = SimpleNamespace(digest="", dtype=torch.float32, tokenizers=(None, None), text_encoders=())
    embeds = embed_prompts(f, c, Tokens({}), [f"prompt {i}" for i in range(n)], ItemStore(folder))
    for i in range(n):
        torch.stack([embeds[f"prompt {i}"]] * 2)


def _training(study, folder, n):
    train = Labelled(study.images(n), np.arange(n) % 2)
    held = Labelled(np.zeros((2, 32, 32, 3), np.uint8), np.arange(2))
    fit_classifier(_network(), train, held, HOW, "test", norm=IMAGENET, classic=PLAIN)


def _network():
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2))
    network.num_classes = 2
    return network


def _predictions(study, folder, n):
    for found in outputs(_network(), study.images(n), 32, IMAGENET, batch_size=2):
        found.numpy()


def _results(study, folder, n):
    folder.mkdir()
    study.rows[:n].to_parquet(folder / "split.parquet")
    params = ToneTransferParams(
        mode="tone_transfer", images_per_source=1, max_sources=0, target_levels=("6",),
        level_choice="random", seed=0, region="outside_mask", feather=1.0, ita={"6": (-60, -40)},
    )  # fmt: skip
    inputs = Inputs(study.data.folder, folder / "split.parquet", folder, folder, folder)
    with mock.patch.dict(os.environ, EQUIDERM_ITEMS=str(folder / "items")):
        generate(params, inputs, folder / "made")
    table = read_metadata(folder / "made")
    assert len(images_of(folder / "made", table)) == n


# What runs, how many are few (more than a batch has), and the MiB that each would cost.
STAGES = {
    "ingest": (_ingested, FEW, IMAGE),
    "audit": (_quality, FEW, IMAGE),
    "screen": (_appearance, FEW, IMAGE),
    "features": (_features, FEW, IMAGE),
    "latents": (_latents, 24, LATENTS),
    "prompts": (_prompts, FEW // 2, PROMPT),
    "train_classifier": (_training, FEW, IMAGE),
    "evaluate": (_predictions, 2 * FEW, IMAGE),
    "generate": (_results, FEW, IMAGE),
}


@pytest.mark.parametrize("stage", STAGES)
def test_ten_times_as_many_cost_a_constant_more(stage, study, tmp_path, monkeypatch):
    run, few, size = STAGES[stage]
    monkeypatch.setattr(conditioning, "prompt_ids", lambda _c, prompts: prompts)
    monkeypatch.setattr(conditioning, "_BATCH", 2)
    monkeypatch.setattr("pipeline_steps.stage.pictures.show", lambda *_: None)
    run(study, tmp_path / "first", few)  # which also imports
    of_few, of_many = (_peak(lambda n=n: run(study, tmp_path / str(n), n)) for n in (few, 10 * few))
    assert of_many - of_few < 9 * few * size / 3, f"{of_few:.0f} MiB for {few}, {of_many:.0f} for {10 * few}"


def test_a_list_of_images_would_show(study):
    few, many = (_peak(lambda n=n: [study.images(MANY)[i] for i in range(n)]) for n in (FEW, MANY))
    assert many - few > (MANY - FEW) * IMAGE * 0.8
