"""Official downloads, unchanged: from tables and folders to partitions that no patient, lesion or case crosses."""

import json
import sys

import numpy as np
import pandas as pd
import published_sets
import pytest
from conftest import ROOT, copy_tree, overlaid, repro, run

from pipeline_steps.audit import AuditParams, audit
from pipeline_steps.datasets.data_set import KINDS
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.ingest import ingest, read_source
from pipeline_steps.items.store import ItemStore
from pipeline_steps.parameters.population import Groups
from pipeline_steps.records.licences import COLUMNS, licences_of, strictest
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.select_subset import SubsetParams, select
from pipeline_steps.split import SplitParams, split_all
from pipeline_steps.stage.params import read_params, read_yaml

SKIN = {"column": "fitzpatrick_scale", "majority": [1, 2], "minority": [5, 6]}
# How each is written, its parameters, two of its conditions, whom it divides, and what its page says of its images.
SETS = {
    "pad_ufes_20": (
        published_sets.pad, {"attributes": ["gender"]}, ["basal cell carcinoma", "nevus"],
        SKIN | {"minority": [4, 5]}, ("CC-BY-4.0", "yes"),
    ),
    "scin": (
        published_sets.scin, {"attributes": ["age_group"], "skin_type": "dermatologists"}, ["eczema", "scc/sccis"],
        SKIN, ("SCIN Data Use License", "conditions"),
    ),
    "ddi": (
        published_sets.ddi, {"attributes": [], "label": "disease"}, ["basal cell carcinoma", "melanocytic nevi"],
        SKIN, ("Stanford University Dataset Research Use Agreement", "no"),
    ),
    "ham10000": (
        published_sets.ham, {"attributes": ["sex"]}, ["melanocytic nevus", "melanoma"],
        {"column": "sex", "majority": ["female"], "minority": ["male"]}, ("CC-BY-NC-4.0", "conditions"),
    ),
    "fitzpatrick17k_c": (
        published_sets.c_list, {"attributes": ["qc"], "check_md5": False},
        ["psoriasis", "porokeratosis actinic"], SKIN, ("CC-BY-NC-SA-3.0", "no"),
    ),
}  # fmt: skip


def _overlay(name, folder):
    write, settings, conditions, population, _ = SETS[name]
    write(folder)
    place = {"folder": str(folder)}
    if name == "fitzpatrick17k_c":
        place = {"csv": str(folder / "Fitzpatrick17k-C.csv"), "images": str(folder / "images")}
    return {
        "ingest": {"adapter": name, "image_size": 16, "sources": {name: {**place, **settings}}},
        "population": population,
        "subset": {"conditions": conditions},
        "split": {"scenarios": ["ii"], "draws": [0], "flexible_per_condition": 1, "validation_fraction": 0.4},
    }


@pytest.mark.parametrize("name", SETS)
def test_no_group_of_an_official_download_crosses_a_split(name, tmp_path):
    overlay, base = _overlay(name, tmp_path / "set"), read_yaml(ROOT / "params.yaml")
    params = IngestParams.model_validate(base["ingest"] | overlay["ingest"])
    assert set(params.reads()) == {*KINDS}
    out = tmp_path / "out"
    out.mkdir()
    report = ingest(read_source(params), out, ItemStore(out.parent / "items"))
    data = open_dataset(out)
    assert report["images"] == {"present": len(data.manifest), "missing": 0, "quarantined": 0}
    assert report["table"]["files_without_row"] == 0
    assert tuple(data.manifest[["licence", "redistribute"]].drop_duplicates().iloc[0]) == SETS[name][-1]

    groups = audit(
        data.manifest,
        [],
        np.full((len(data.manifest), 3), np.nan),
        read_params(AuditParams, "audit", ROOT / "params.yaml"),
    )
    subset = SubsetParams.model_validate(base["subset"] | overlay["subset"])
    table, _ = select(data.manifest, groups, subset, Groups.model_validate({"bands": {}} | overlay["population"]))
    made = split_all(table, SplitParams.model_validate(base["split"] | overlay["split"]))["ii", 0]
    assert {"train", "validation", "test"} <= set(made["partition"])
    for ids in ("group", "patient_id", "lesion_id"):
        known = made[(made[ids] != "") & ~made["partition"].isin(["excluded"])]
        assert known[[ids, "partition"]].drop_duplicates()[ids].is_unique
    train = made[made["partition"] == "train"]
    told = licences_of(train, train["image_id"])
    assert set(told["licence"]) == {SETS[name][-1][0]}
    assert strictest(told["redistribute"]) == SETS[name][-1][1]


def test_what_the_pages_say_of_groups_masks_and_partitions(tmp_path):
    tables = {}
    for name in SETS:
        ingest_params = _overlay(name, tmp_path / name)["ingest"]
        base = read_yaml(ROOT / "params.yaml")["ingest"]
        tables[name] = read_source(IngestParams.model_validate(base | ingest_params))
    pad, scin, ham = (tables[name].table for name in ("pad_ufes_20", "scin", "ham10000"))
    assert (pad["patient_id"].nunique(), pad["lesion_id"].nunique()) == (16, 16)  # three numbers, patients' own
    assert tables["pad_ufes_20"].report["lesion_ids_of_several_patients"] == 3
    assert scin["lesion_id"].nunique() == 16
    assert set(scin["lesion_id"].str.len()) == {20}  # to the last digit
    assert np.unique(scin.groupby("lesion_id").size()).tolist() == [2, 3]
    assert ham["lesion_id"].nunique() == 12
    assert ham["fitzpatrick_scale"].isna().all()
    assert tables["ham10000"].report["masks_found"] == 24
    assert tables["ddi"].report["images_without_patient_or_lesion"] == 24
    assert set(tables["ddi"].table["skin_value"]) == {"12", "34", "56"}
    assert set(tables["ddi"].table["skin_scale"]) == {"fitzpatrick3"}
    facts = pd.DataFrame(map(json.loads, tables["fitzpatrick17k_c"].table["attributes"]))
    assert facts["partition"].value_counts().to_dict() == {"train": 10, "test": 4, "validation": 4}
    assert tables["fitzpatrick17k_c"].report["skin_type_unknown"] == 2
    assert tables["fitzpatrick17k_c"].report["url_missing"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_dvc_runs_an_official_download_to_its_split(name, tmp_path):
    clone = copy_tree(tmp_path / "clone")
    overlay, params = _overlay(name, tmp_path / "set"), clone / "params.yaml"
    overlay["split"]["scenarios"] = ["i", "ii", "iii"]  # as the grid names them
    if name == "ham10000":
        words = {"female": "a woman's", "male": "a man's"}
        overlay["population"] |= {"levels": [*words], "check": None, "words": {"person": words, "skin": words}}
        overlay["inversions"] = {"tokens": {"levels": [], "templates": ["a photo of {token}"]}}
    params.write_text(overlaid(params.read_text(), overlay))
    run(sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=clone)
    repro(clone, "split")
    manifest = pd.read_parquet(clone / "data/dataset/manifest.parquet")
    assert set(COLUMNS) <= {*manifest}
    assert (clone / "data/splits/ii-0.parquet").is_file()
