"""Every method runs from end to end by its name in the grid, at toy scale."""

import json
import re
import sys

import datasets
import numpy as np
import pandas as pd
from conftest import run
from PIL import Image

from pipeline_steps.profile import overlaid
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.stage.params import read_yaml


def _with_grid(clone, **comparison):
    """Change the comparison of the grid, run, and tell which stages ran."""
    params = clone / "params.yaml"
    params.write_text(overlaid(params.read_text(), {"grid": {"comparison": comparison}}))
    run(sys.executable, "-m", "pipeline_steps.cells", cwd=clone)
    return set(re.findall(r"Running stage '([^']+)'", run("dvc", "repro", cwd=clone).stdout))


def test_other_methods_by_a_word_of_the_grid(toy_copy):
    """Each augmenter from end to end, beside the classic baseline; what needs no model waits for none."""
    ran = _with_grid(toy_copy, augmenters=["lesiongen", "tone_transfer"], arms=["real", "classic", "syn"])
    cells = {"lesiongen-iii-0", "tone_transfer-iii-0"}
    assert {f"{s}@{c}" for s in ("generate", "screen", "score_fid") for c in cells} <= ran
    assert {"caption@concepts", "finetune@lora_concepts-iii-0", "train_classifier@classic-resnet_small-iii-0"} <= ran
    assert not {stage for stage in ran if stage.startswith(("ingest", "invert_tokens"))}
    lock = read_yaml(toy_copy / "dvc.lock")["stages"]["generate@tone_transfer-iii-0"]
    assert not {d["path"] for d in lock["deps"]} & {"models/base/phantom-sd", "data/captions/concepts"}
    captions = pd.read_parquet(toy_copy / "data/captions/concepts/captions.parquet")["caption"]
    assert captions.nunique() > 7, "one caption a condition says nothing of an image"
    table = pd.read_csv(toy_copy / "data/synthetic/lesiongen-iii-0/metadata.csv")
    assert table["prompt"].str.contains("on (?:very )?dark skin").all()
    assert "real, classic augmentation" in (toy_copy / "report/index.html").read_text()
    accuracy = json.loads((toy_copy / "metrics/summary.json").read_text())["accuracy"]
    made = {"syn-lesiongen", "syn-tone_transfer"}
    assert set(accuracy) == {f"iii-resnet_small-{arm}" for arm in {"real", "classic", *made}}


def test_masks_from_end_to_end(toy_copy):
    """Image and mask together, and inpainting, each with segmenters beside the classifiers; both kinds of passes."""
    ran = _with_grid(
        toy_copy,
        augmenters=["skindualgen", "sagers_inpaint"],
        arms=["syn"],
        segmenters=["real", "syn", "real_syn"],
    )
    assert {"finetune@lora_pairs-iii-0", "finetune@lora_inpaint-iii-0", "train_segmenter@real-iii-0"} <= ran
    for augmenter in ("skindualgen", "sagers_inpaint"):
        folder = toy_copy / f"data/synthetic/{augmenter}-iii-0"
        table = pd.read_csv(folder / "metadata.csv")
        image, mask = (np.asarray(Image.open(folder / table[c][0])) for c in ("file_name", "mask_file_name"))
        assert image.shape == (64, 64, 3)
        assert set(np.unique(mask)) <= {0, 255}
        overlap = json.loads((toy_copy / f"metrics/segmentation/real_syn-{augmenter}-iii-0.json").read_text())
        assert 0 <= overlap["holdout"]["dice"] <= 1
        assert set(overlap["holdout"]["by_type"]) == set("123456")
        judged = json.loads((toy_copy / f"metrics/masks/{augmenter}-iii-0.json").read_text())
        assert 0 <= judged["dice"] <= 1
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=str(toy_copy / "hf"))
    assert loaded.num_rows == len(table)
    kept = open_dataset(toy_copy / "data/dataset")
    source = table["source_id"][0]
    lesion = kept.masks_of([source])[0]
    assert (image[lesion] == kept.images([source])[0][lesion]).all(), "the pathology must stay"
    report = (toy_copy / "report/index.html").read_text()
    assert "Segmentation: overlap with real masks" in report
    assert "Do generated masks fit their images?" in report
