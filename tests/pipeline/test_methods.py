"""Every method runs from end to end by its name in the grid, at toy scale."""

import json
import sys

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import copy_of, overlaid, repro, run
from diffusers import FluxPipeline
from PIL import Image

from pipeline_steps.datasets.phantom.marks import COLOURS
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.stage.params import read_yaml

pytestmark = pytest.mark.slow

GRID = {
    "comparison": {"augmenters": ["lesiongen", "tone_transfer"], "arms": ["real", "classic", "syn"]},
    "masks": {
        "scenarios": ["iii"],
        "draws": [0],
        "augmenters": ["skindualgen"],
        "architectures": [],
        "arms": [],
        "segmenters": ["real", "syn"],
        "untrained": False,
    },
    "looked_at": {
        "scenarios": ["iii"],
        "draws": [0],
        "augmenters": ["sagers_inpaint", "dermaflux", "lesiongen_reports"],
        "architectures": [],
        "arms": [],
        "segmenters": [],
        "untrained": False,
    },
}


@pytest.fixture(scope="module")
def methods(toy, tmp_path_factory):
    """A copy of the finished toy run with other methods in its grid, and which stages ran."""
    clone = copy_of(toy, tmp_path_factory.mktemp("methods") / "clone")
    params = clone / "params.yaml"
    params.write_text(overlaid(params.read_text(), {"grid": GRID}))
    run(sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=clone)
    return clone, repro(clone)


def test_what_needs_no_model_waits_for_none(methods):
    clone, ran = methods
    cells = {f"{a}-iii-0" for a in ("lesiongen", "tone_transfer", "skindualgen")}
    assert {f"{s}@{c}" for s in ("generate", "screen", "score_fid") for c in cells} <= ran
    assert {"caption@concepts", "finetune@lora_concepts-iii-0", "train_classifier@classic-resnet_small-iii-0"} <= ran
    assert {"finetune@lora_pairs-iii-0", "finetune@lora_inpaint-iii-0", "train_segmenter@real-iii-0"} <= ran
    assert not {stage for stage in ran if stage.startswith(("ingest", "invert_tokens"))}
    lock = read_yaml(clone / "dvc.lock")["stages"]["generate@tone_transfer-iii-0"]
    assert not {d["path"] for d in lock["deps"]} & {"models/base/phantom-sd", "data/captions/concepts"}


def test_concepts_are_in_the_prompts(methods):
    clone, _ = methods
    captions = pd.read_parquet(clone / "data/captions/concepts/captions.parquet")["caption"]
    assert captions.nunique() > 7, "one caption a condition says nothing of an image"
    table = pd.read_csv(clone / "data/synthetic/lesiongen-iii-0/metadata.csv")
    assert table["prompt"].str.contains("on the skin of a (?:very )?dark-skinned individual").all()


def test_the_shipped_captioner_looks_at_each_image(methods):
    clone, ran = methods
    assert "caption@reports_phantom" in ran
    captions = pd.read_parquet(clone / "data/captions/reports_phantom/captions.parquet")["caption"]
    assert captions.nunique() > 7
    assert json.loads((clone / "metrics/captions/reports_phantom.json").read_text())["unusable_replies"] == {}
    table = pd.read_csv(clone / "data/synthetic/lesiongen_reports-iii-0/metadata.csv")
    assert table["prompt"].str.contains(f"(?:{'|'.join(COLOURS)})").all()


def test_the_report_has_them_all(methods):
    clone, _ = methods
    report = (clone / "report/index.html").read_text()
    assert "real, classic augmentation" in report
    assert "Leaderboard: phantom holdout, all six types" in report
    assert "Segmentation: overlap with real masks" in report
    assert "Do generated masks fit their images?" in report
    summary = json.loads((clone / "metrics/summary.json").read_text())
    made = {"syn-lesiongen", "syn-tone_transfer"}
    assert set(summary["accuracy"]) == {f"iii-resnet_small-{arm}" for arm in {"real", "classic", *made}}
    assert set(summary["dice"]) == {"iii-real", "iii-syn-skindualgen"}


def test_images_come_with_masks_that_segmenters_learn_from(methods):
    clone, _ = methods
    folder = clone / "data/synthetic/skindualgen-iii-0"
    table = pd.read_csv(folder / "metadata.csv")
    image, mask = (np.asarray(Image.open(folder / table[c][0])) for c in ("file_name", "mask_file_name"))
    assert image.shape == (64, 64, 3)
    assert set(np.unique(mask)) <= {0, 255}
    overlap = json.loads((clone / "metrics/segmentation/syn-skindualgen-iii-0.json").read_text())["holdout"]
    rows = pd.read_parquet(clone / "data/overlaps/syn-skindualgen-iii-0.parquet").query("partition == 'holdout'")
    assert np.allclose(rows["dice"], 2 * rows["iou"] / (1 + rows["iou"])), "Dice is a function of IoU"
    assert overlap["dice"] == pytest.approx(rows["dice"].mean(), abs=1e-5)
    of_types = rows.groupby("level")["dice"].mean()
    assert {t: s["dice"] for t, s in overlap["by_level"].items()} == pytest.approx(
        {str(t): value for t, value in of_types.items()}, abs=1e-5
    )
    judged = json.loads((clone / "metrics/masks/skindualgen-iii-0.json").read_text())
    accepted = pd.read_parquet(clone / "data/screened/skindualgen-iii-0.parquet")["accepted"].sum()
    assert judged["images"] == accepted > 0
    of_types = judged["by_level"].values()
    assert judged["dice"] == pytest.approx(sum(t["dice"] * t["images"] for t in of_types) / accepted, abs=1e-5)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=str(clone / "hf"))
    assert loaded.num_rows == len(table)
    assert {"image", "mask"} <= set(loaded.column_names)


def test_flux_paints_captions_and_its_adapter_loads_in_a_plain_pipeline(methods):
    clone, _ = methods
    folder = clone / "data/synthetic/dermaflux-iii-0"
    table = pd.read_csv(folder / "metadata.csv")
    assert table["prompt"].str.contains("border").all()
    assert np.asarray(Image.open(folder / table["file_name"][0])).shape == (64, 64, 3)
    pipe = FluxPipeline.from_pretrained(clone / "models/base/phantom-flux", torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    pipe.load_lora_weights(clone / "models/adapters/lora_flux-iii-0", weight_name="pytorch_lora_weights.safetensors")
    assert pipe.get_active_adapters()
    size = {"height": 64, "width": 64, "max_sequence_length": 32}
    made = pipe(table["prompt"][0], num_inference_steps=2, output_type="np", **size).images
    assert made.shape == (1, 64, 64, 3)
    assert np.isfinite(made).all()


def test_inpainting_keeps_the_pathology(methods):
    clone, _ = methods
    folder = clone / "data/synthetic/sagers_inpaint-iii-0"
    table = pd.read_csv(folder / "metadata.csv")
    dataset = open_dataset(clone / "data/dataset")
    sources = dataset.manifest.set_index("public_id").loc[table["source_id"], "image_id"]
    for name, source in zip(table["file_name"], sources, strict=True):
        image, lesion = np.asarray(Image.open(folder / name)), dataset.masks_of([source])[0]
        assert (image[lesion] == dataset.images([source])[0][lesion]).all()
