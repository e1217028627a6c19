"""A study of somebody's photographs, whole: nothing that leaves the data folder names one, and one can be withdrawn."""

import json
import re
import shutil
import sys

import pandas as pd
import pytest
from conftest import copy_tree, overlaid, repro, run
from PIL import Image

from pipeline_steps.datasets import phantom_table1
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.stage.params import read_yaml

SECRET = "MERIDIAN"  # in every id, and in the folder's name
LEAVES = (
    "models/tokens",
    "models/adapters",
    "models/classifier",
    "data/synthetic",
    "data/screened",
    "metrics",
    "report",
)


def _own_set(folder):
    """Photographs and a table as a person has them; ids, file names, patients and the folder hold the secret."""
    folder.mkdir(parents=True)
    source = phantom_table1.read(seed=3, scale=0.01, minimum=4, holdout_per_cell=0, size=64)
    ids = [f"{SECRET}_{i:03d}" for i in range(len(source.table))]
    for i, image_id in enumerate(ids):
        Image.fromarray(source.load(i).pixels).save(folder / f"{image_id}.png")
    table = source.table[["condition", "fitzpatrick_scale"]].assign(file=[f"{i}.png" for i in ids])
    table.assign(patient=[f"{SECRET}-p{i}" for i in range(len(ids))]).to_csv(folder / "labels.csv", index=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A clone in which the toy profile has run on such a set."""
    base = tmp_path_factory.mktemp("withdrawal")
    photographs = base / SECRET / "photographs"
    _own_set(photographs)
    clone = copy_tree(base / "clone")
    run(sys.executable, "-m", "pipeline_steps.configure", "toy", cwd=clone)
    places = {"csv": str(photographs / "labels.csv"), "images": str(photographs), "masks": str(photographs)}
    columns = {"condition": "condition", "skin_type": "fitzpatrick_scale", "patient_id": "patient"}
    ingest = {"adapter": "folder", "sources": {"folder": {**places, **columns}}}
    params = clone / "params.yaml"
    params.write_text(overlaid(params.read_text(), {"ingest": ingest}))
    run(sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=clone)
    repro(clone)
    return clone, photographs


def _holding(folder, word):
    """Files below that hold ``word``: in their bytes, their names, or the cells of a table."""
    found = []
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        held = word.encode() in file.read_bytes() or word in str(file.relative_to(folder))
        if file.suffix == ".parquet":
            held |= pd.read_parquet(file).astype(str).apply(lambda c: c.str.contains(word)).to_numpy().any()
        if file.suffix == ".png":
            held |= any(word in str(value) for value in Image.open(file).info.values())
        found += [str(file.relative_to(folder))] if held else []
    return found


@pytest.mark.slow
def test_no_output_names_a_photograph_or_a_place(study):
    clone, _ = study
    assert _holding(clone / "data/dataset", SECRET) == ["manifest.parquet"]  # the way back stays
    for word in (SECRET, str(clone), str(clone.parent)):
        assert {room: _holding(clone / room, word) for room in LEAVES} == {room: [] for room in LEAVES}
    manifest = pd.read_parquet(clone / "data/dataset/manifest.parquet")
    made = pd.read_csv(clone / "data/synthetic/majority_to_minority-iii-0/metadata.csv")
    assert set(made["source_id"]) <= set(manifest["public_id"])


@pytest.mark.slow
def test_a_withdrawn_photograph_leaves_what_was_derived_from_it(study, tmp_path):
    first, photographs = study
    clone, own = tmp_path / "clone", tmp_path / "own"
    shutil.copytree(first, clone, symlinks=True, ignore=shutil.ignore_patterns("tmp"))
    (clone / ".dvc/tmp").mkdir()
    shutil.copytree(photographs, own)
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace(str(photographs), str(own)))
    run(sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=clone)
    run("dvc", "commit", "--force", "ingest", cwd=clone)  # the same photographs, elsewhere

    def status():
        return json.loads(run("dvc", "status", "--json", "ingest", cwd=clone).stdout)

    assert status() == {}
    made = pd.read_csv(clone / "data/synthetic/majority_to_minority-iii-0/metadata.csv")
    manifest = pd.read_parquet(clone / "data/dataset/manifest.parquet").set_index("public_id")
    who = manifest.loc[made["source_id"][0]]
    pixels = open_dataset(clone / "data/dataset").images([who["image_id"]])[0].tobytes()
    before = read_yaml(clone / "dvc.lock")["stages"]

    table = pd.read_csv(own / "labels.csv", dtype=str)
    table[table["file"] != who["file"]].to_csv(own / "labels.csv", index=False)
    (own / who["file"]).unlink()
    assert "ingest" in status(), "DVC sees it by itself"
    done = run(sys.executable, "-m", "pipeline_steps.forget", made["source_id"][0], "--yes", cwd=clone)
    assert re.search(r"generated images: 1 made from it", done.stdout)
    left = [f for room in (".dvc/cache", "data", "cache") for f in (clone / room).rglob("*") if f.is_file()]
    assert [f for f in left if who["image_id"].encode() in f.read_bytes() or pixels in f.read_bytes()] == []
    assert not [f for f in left if made["source_id"][0] in f.name or who["sha256"] in f.name]

    repro(clone)
    after = read_yaml(clone / "dvc.lock")["stages"]
    assert after["ingest"]["outs"] != before["ingest"]["outs"]
    assert who["image_id"] not in set(pd.read_parquet(clone / "data/dataset/manifest.parquet")["image_id"])
    assert (clone / "report/index.html").is_file()
    assert repro(clone) == set()
