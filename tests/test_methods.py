"""Every method runs from end to end by its name in the grid, at toy scale."""

import json
import re
import sys

import pandas as pd
from conftest import run

from pipeline_steps.profile import overlaid
from pipeline_steps.stage.params import read_yaml


def test_other_methods_by_a_word_of_the_grid(toy_copy):
    """Each augmenter from end to end, beside the classic baseline; what needs no model waits for none."""
    grid = {"comparison": {"augmenters": ["lesiongen", "tone_transfer"], "arms": ["real", "classic", "syn"]}}
    params = toy_copy / "params.yaml"
    params.write_text(overlaid(params.read_text(), {"grid": grid}))
    run(sys.executable, "-m", "pipeline_steps.cells", cwd=toy_copy)
    ran = set(re.findall(r"Running stage '([^']+)'", run("dvc", "repro", cwd=toy_copy).stdout))
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
