"""What is taken away: images under ids that lead nowhere, predictions with levels and attributes."""

import gc
import io
import json
import re
import sys
import tomllib

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image
from ruamel.yaml import YAML

from pipeline_steps import export
from pipeline_steps.exporting import citations
from pipeline_steps.exporting.images import export_images
from pipeline_steps.exporting.licences import terms
from pipeline_steps.exporting.predictions import export_predictions
from pipeline_steps.pixels.images import with_text
from pipeline_steps.stage.errors import DataError

CELL = "majority_to_minority-iii-0"
PARAMS = {
    "ingest": {"adapter": "fitzpatrick17k"},
    "base_models": {"sd": {"location": "models/base/phantom-sd"}},
    "augmenters": {"majority_to_minority": {"mode": "img2img", "strength": 0.5}},
}
CELLS = {"cells": {"generate": {CELL: {"augmenter": "majority_to_minority", "base": "sd"}}}}


def manifest(**more):
    """Two photographs."""
    rows = {
        "image_id": ["a", "b"],
        "public_id": ["xa", "xb"],
        "file": ["a.jpg", "b.jpg"],
        "skin_assigner": "dermatologist",
    }
    attributes = [json.dumps({"site": "arm"}), json.dumps({"site": "leg", "age": 40})]
    return pd.DataFrame({**rows, "attributes": attributes, **more})


def png(shade, **text):
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), shade, np.uint8)).save(buffer, "PNG")
    return with_text(buffer.getvalue(), text)


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A generated set of four images of two sources, of which three are accepted, with masks."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/synthetic" / CELL
    (folder / "acne").mkdir(parents=True)
    rows = []
    for i, source in enumerate(["xa", "xa", "xb", "xb"]):
        name = f"acne/{source}-5-{i}.png"
        (folder / name).write_bytes(png(40 * i, source_id=source, seed="7", prompt="a photo", is_synthetic="true"))
        (folder / name.replace(".png", "-mask.png")).write_bytes(png(255))
        facts = {
            "condition": "acne",
            "source_id": source,
            "source_level": "1",
            "target_level": "5",
            "copy": i,
            "seed": 7,
        }
        rows.append({"file_name": name, **facts, "prompt": "a photo", "is_synthetic": True, "starts_from_source": True})
        rows[-1]["mask_file_name"] = name.replace(".png", "-mask.png")
    table = pd.DataFrame(rows)
    table.to_csv(folder / "metadata.csv", index=False)
    (tmp_path / "data/screened").mkdir()
    verdict = table[["file_name"]].assign(accepted=[True, True, False, True])
    verdict.to_parquet(tmp_path / f"data/screened/{CELL}.parquet")
    (tmp_path / "data/dataset").mkdir()
    manifest().to_parquet(tmp_path / "data/dataset/manifest.parquet")
    (tmp_path / "params.yaml").write_text(json.dumps(PARAMS))
    (tmp_path / "cells.yaml").write_text(json.dumps(CELLS))
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # datasets leaves a table open
def test_the_accepted_images_load_as_a_data_set(finished):
    import datasets

    found = export_images(CELL, finished / "out")
    assert (found.accepted, found.generated) == (3, 4)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(finished / "out"), split="train", cache_dir="cache")
    assert len(loaded) == 3
    assert set(loaded["condition"]) == {"acne"}
    assert {image.size for image in loaded["image"]} == {(8, 8)}
    assert {np.asarray(image)[0, 0, 0] for image in loaded["image"]} == {0, 40, 120}
    assert "mask" in loaded.column_names
    del loaded
    gc.collect()  # so that what it left open is closed in this test


def test_nothing_that_is_handed_on_names_a_source(finished):
    """Neither names, nor tables, nor what files carry: the seed and the public id can be computed from a photograph."""
    export_images(CELL, finished / "out")
    for file in (f for f in (finished / "out").rglob("*") if f.is_file()):
        assert not re.search(rb"\bx[ab]\b|seed\W+7", file.read_bytes()), file
    images = sorted((finished / "out/images").glob("s?.png"))
    for file in images:
        with Image.open(file) as image:
            assert image.text == {"is_synthetic": "true", "id": file.stem}


def test_images_of_one_source_share_a_group(finished):
    export_images(CELL, finished / "out")
    table = pd.read_csv(finished / "out/metadata.csv")
    assert sorted(table["source_group"].value_counts()) == [1, 2]
    assert "source_id" not in table


def test_the_card_names_terms_counts_and_papers(finished):
    export_images(CELL, finished / "out")
    card = (finished / "out/README.md").read_text()
    front = YAML(typ="safe").load(card.split("---\n")[1])
    assert front["license"] == "other"
    assert "not recorded: **ask" in card
    assert "| acne | 5 | 3 |" in card
    cited = (finished / "out/CITATION.bib").read_text()
    assert "wang2024majority" in cited
    assert "groh2021fitzpatrick17k" in cited


def test_a_set_without_accepted_images_is_refused(finished):
    place = finished / f"data/screened/{CELL}.parquet"
    pd.read_parquet(place).assign(accepted=False).to_parquet(place)
    with pytest.raises(DataError, match="accepted none"):
        export_images(CELL, finished / "out")


@pytest.mark.parametrize(
    ("rights", "right", "said"),
    [(["yes", "no"], "no", "may not be passed on"), (["yes", "yes"], "yes", "naming the source")],
)
def test_the_strictest_licence_of_the_sources_counts(finished, rights, right, said):
    known = {"licence": ["CC-BY-4.0", "CC-BY-NC-SA-3.0"], "redistribute": rights, "attribution": ["A", "B"]}
    manifest(**known).to_parquet(finished / "data/dataset/manifest.parquet")
    found = terms(pd.DataFrame({"source_id": ["xa", "xb"]}))
    assert (found.licence, found.redistribute) == ("CC-BY-4.0, CC-BY-NC-SA-3.0", right)
    assert said in found.said
    assert "Name: A; B." in found.said


def test_predictions_have_levels_attributes_and_no_ids_of_the_data_set():
    said = {
        "image_id": ["b", "a"],
        "sha256": ["1", "2"],
        "group": ["p2", "p1"],
        "partition": "test",
        "level": ["5", "1"],
    }
    table = pd.DataFrame({**said, "condition": "acne", "predicted": ["acne", "eczema"], "p:acne": [0.9, 0.2]})
    found = export_predictions(table, manifest())
    assert list(found["image"]) == ["xb", "xa"]
    assert list(found["site"]) == ["leg", "arm"]
    assert list(found["level"]) == ["5", "1"]
    assert list(found["group"]) == [1, 2]
    assert list(found["p:acne"]) == [0.9, 0.2]
    assert not {"image_id", "sha256", "patient_id"} & set(found)
    assert list(export_predictions(table, manifest(), own_ids=True)["image"]) == ["b", "a"]


def test_every_method_and_data_set_that_has_a_paper_has_its_entry():
    from pipeline_steps.stage.params import read_yaml

    augmenters = [name for name in read_yaml(ROOT / "config/base.yaml")["augmenters"] if not name.startswith("_")]
    without = {name for name in augmenters if not citations.method_key(name)}
    assert without <= {"tone_transfer"}
    for name in {*augmenters, "sagers_in_out"} - without:
        assert citations.entries([citations.method_key(name)]).startswith("@")
    assert citations.entries([citations.data_key("pad_ufes_20")]).startswith("@article{pacheco2020padufes20")


def test_the_citation_names_this_version():
    """``cffconvert --validate`` says whether the file is one at all."""
    cited = YAML(typ="safe").load(ROOT / "CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cited["version"] == project["version"]
    assert cited["license"] == project["license"]
    assert cited["authors"] == [{"name": "The equiderm authors"}]


@pytest.mark.parametrize("chosen", [[], ["--cell", "real"]])
def test_predictions_that_were_not_made_are_refused_with_the_remedy(chosen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "cells.yaml").write_text("cells: {train_classifier: {real: {}}}\n")
    monkeypatch.setattr(sys, "argv", ["export", "predictions", "out", *chosen])
    with pytest.raises(SystemExit, match=r"^error: data/predictions/real\.parquet is not here: 'dvc pull'"):
        export.main()
    assert not (tmp_path / "out").exists()
