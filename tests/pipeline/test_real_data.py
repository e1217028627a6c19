"""Real tables and photographs, where they are at hand."""

import json
import sys

import pandas as pd
import pytest
from conftest import ROOT, copy_tree, repro, run

from pipeline_steps import audit
from pipeline_steps.datasets.data_set import Decoding
from pipeline_steps.datasets.fitzpatrick17k import FITZPATRICK17K, Fitzpatrick17k
from pipeline_steps.datasets.pad_ufes_20 import PAD_UFES_20, PadUfes20
from pipeline_steps.datasets.phantom_table1 import TABLE_1
from pipeline_steps.ingest import ingest
from pipeline_steps.items.store import ItemStore
from pipeline_steps.reporting.results import read_json
from pipeline_steps.stage.params import read_params

D = Decoding(32, "center_crop", 100_000_000)


def _fitzpatrick17k(csv, images, skincon=None, skin_type="fitzpatrick_scale"):
    settings = {"skincon": skincon, "check_md5": True, "skin_type": skin_type, "attributes": ()}
    return FITZPATRICK17K.read(Fitzpatrick17k(csv=csv, images=images, **settings), D)


def test_table_1_and_split_sizes_of_the_paper(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("EQUIDERM_REAL_DATA", str(real_data))
    clone = copy_tree(tmp_path / "clone")
    run(sys.executable, "-m", "pipeline_steps.configure", "fitzpatrick17k_table1", cwd=clone)
    repro(clone, "select_subset", "split")
    counts = read_json(clone / "metrics/subset.json")["counts"]
    published = {c: dict(zip(("1", "2", "5", "6"), n, strict=True)) for c, n in TABLE_1.items()}
    assert counts == published
    splits = read_json(clone / "metrics/split.json")
    sizes = {s: (n["0"]["train_and_validation"], n["0"]["test"]) for s, n in splits.items()}
    assert sizes == {"i": (1519, 56), "ii": (1284, 291), "iii": (1228, 291)}
    images = read_json(clone / "metrics/ingest.json")
    assert images["images"] == {"present": 0, "missing": 16577, "quarantined": 0}
    assert images["table"]["skin_type_unknown"] == 565
    assert images["table"]["url_missing"] == 41
    dropped = read_json(clone / "metrics/subset.json")["dropped"]
    assert dropped["skin type outside both groups"] == {"3": 620, "4": 456}
    assert dropped["skin type unknown"] == {"unknown": 128}
    assert sum(dropped["another condition"].values()) == 16577 - 2835
    assert images.get("missing_by_skin_type", {}).get("unknown") == 565


def test_skincon_joins(real_data):
    folder = real_data / "fitzpatrick17k"
    skincon = real_data / "skincon/annotations_fitzpatrick17k.csv"
    source = _fitzpatrick17k(folder / "fitzpatrick17k.csv", folder / "images", skincon)
    assert source.report["concepts_unusable"] == 460
    assert source.report["concepts_joined"] == 3690 - 460
    assert source.table["attributes"].str.contains("Plaque").sum() > 100


@pytest.mark.parametrize(
    ("chosen", "ones", "unknown"), [("fitzpatrick_scale", 2947, 565), ("fitzpatrick_centaur", 5561, 1073)]
)
def test_either_of_two_crowds_may_tell_the_skin_type_and_the_other_is_kept(real_data, tmp_path, chosen, ones, unknown):
    csv = real_data / "fitzpatrick17k/fitzpatrick17k.csv"
    source = _fitzpatrick17k(csv, tmp_path, skin_type=chosen)
    assert (source.table["skin_value"] == "1").sum() == ones
    assert source.report["skin_type_unknown"] == (source.table["skin_value"] == "").sum() == unknown
    (other,) = json.loads(source.table["other_skin"].iloc[0])
    assert {other, chosen} == {"fitzpatrick_scale", "fitzpatrick_centaur"}


def test_pad_ufes_photographs_and_masks(real_data, tmp_path):
    source = PAD_UFES_20.read(PadUfes20(folder=real_data / "pad_ufes_20", attributes=()), D)
    out = tmp_path / "out"
    out.mkdir()
    report = ingest(source, out, ItemStore(tmp_path / "items"))
    assert report["images"] == {"present": 270, "missing": 0, "quarantined": 0}
    manifest = pd.read_parquet(out / "manifest.parquet")
    assert manifest["has_mask"].all()
    by_level = manifest["fitzpatrick_scale"].value_counts().to_dict()
    assert by_level == {1: 18, 2: 86, 3: 41, 4: 17, 5: 1}
    assert manifest["patient_id"].nunique() == 215
    pairs = pd.read_csv(real_data / "pad_ufes_20/metadata.csv", dtype=str)[
        ["patient_id", "lesion_id"]
    ].drop_duplicates()
    assert manifest["lesion_id"].nunique() == len(pairs) == 239
    assert manifest.groupby("lesion_id")["patient_id"].nunique().max() == 1
    assert report["table"]["lesion_ids_of_several_patients"] == 5
    assert report["notes"] == {}


def test_pad_ufes_blanks_name_the_benign(real_data):
    source = PAD_UFES_20.read(PadUfes20(folder=real_data / "pad_ufes_20", attributes=()), D)
    table = source.table.assign(image_status="present", has_mask=True)
    params = read_params(audit.AuditParams, "audit", ROOT / "params.yaml").missing_facts
    found = audit.what_is_missing(table, table["patient_id"], params)
    assert found["predicts_label"]
    assert found["facts"]["skin_type"]["cramers_v"] > 0.5
    blank = table.loc[table["fitzpatrick_scale"].isna(), "condition"]
    assert set(blank) == {"actinic keratosis", "seborrheic keratosis", "nevus"}


def test_an_edited_file_fails_its_md5(real_data, tmp_path):
    from pipeline_steps.pixels.images import BadImageError

    csv = real_data / "fitzpatrick17k/fitzpatrick17k.csv"
    photo = next((real_data / "pad_ufes_20/images").iterdir())
    (tmp_path / _fitzpatrick17k(csv, tmp_path).table["file"][0]).write_bytes(photo.read_bytes())
    source = _fitzpatrick17k(csv, tmp_path)  # files are looked up once
    with pytest.raises(BadImageError, match="MD5"):
        source.load(0)
    with pytest.raises(FileNotFoundError):
        source.load(1)
