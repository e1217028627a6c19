"""What the pipeline wrote: loaded by other tools, shown by DVC, without times and places."""

import json
import re
import time

import pandas as pd
from conftest import run


def test_generated_images_load_as_an_image_folder_and_carry_their_origin(toy):
    from datasets import load_dataset

    folder = toy / "data/synthetic/majority_to_minority-iii-0"
    loaded = load_dataset("imagefolder", data_dir=str(folder), split="train")
    assert len(loaded) == 14
    assert loaded[0]["is_synthetic"]
    assert loaded[0]["image"].size == (64, 64)
    assert {str(level) for level in loaded["target_level"]} <= {"5", "6"}
    table = pd.read_csv(folder / "metadata.csv")
    from PIL import Image

    info = Image.open(folder / table["file_name"][0]).info
    assert info["source_id"] == table["source_id"][0]
    assert info["prompt"] == table["prompt"][0]
    assert len(info["adapter"]) == 64
    card = (folder / "README.md").read_text()
    assert card.startswith("---\ntask_categories:")
    assert "| psoriasis | " in card
    assert "base_model: models/base/phantom-sd" in (toy / "models/adapters/lora_tokens-iii-0/README.md").read_text()


def test_dvc_shows_metrics_plots_and_differences(toy, tmp_path):
    shown = json.loads(run("dvc", "metrics", "show", "--json", cwd=toy).stdout)
    contenders = {f"metrics/compared/iii-{arm}.json" for arm in ("real", "syn-majority_to_minority")}
    assert set(shown[""]["data"]) == contenders
    assert {"minority", "all", "worst", "gap"} <= set(shown[""]["data"]["metrics/compared/iii-real.json"]["data"])
    table = run("dvc", "metrics", "show", cwd=toy).stdout.splitlines()
    assert len(table) <= 10
    assert max(map(len, table)) <= 120
    done = run("dvc", "params", "diff", "--deps", "--json", cwd=toy)
    assert done.stderr == "", "keys that are numbers are an error there"
    difference = json.loads(done.stdout)
    assert set(difference) == {"params.yaml"}, "neither all cells nor how shipped models were trained"
    assert difference["params.yaml"]["classifier.updates"]["new"] == 6
    assert not [key for key in difference["params.yaml"] if key.startswith(("grid", "segmenter"))], "no stage reads it"
    run("dvc", "plots", "show", "-o", str(tmp_path), cwd=toy)
    page = (tmp_path / "index.html").read_text()
    assert "Fitzpatrick type" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)  # it shows without a network


def test_the_report_has_every_section_and_its_pictures_beside_it(toy):
    page = (toy / "report/index.html").read_text()
    for heading in ("Accuracy per skin type", "Accuracy by mixture", "Gallery", "Training", "Data", "Parameters"):
        assert heading in page
    assert "Phantom results" in page
    linked = re.findall(r'(?:src|href)="(?!data:)([^"]*)"', page)
    assert {f"pictures/{f.name}" for f in (toy / "report/pictures").iterdir()} == set(linked)
    assert linked
    assert page.count("data:image/png") >= 2


def test_outputs_hold_no_time_and_no_place(toy):
    suspects = [*(toy / "metrics").rglob("*.json"), *(f for f in (toy / "report").rglob("*") if f.is_file())]
    for file in suspects:
        text = file.read_text(errors="ignore")
        assert str(toy) not in text
        assert time.strftime("%Y-%m-%d") not in text
