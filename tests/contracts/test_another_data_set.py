"""A data set is a file and a row: its parameters, what DVC watches and its images follow."""

import sys

import pandas as pd
from conftest import copy_tree, overlaid, repro, run
from PIL import Image

from pipeline_steps.stage.params import read_yaml

TOY = '''
"""A toy: each line of a text is the name of an image and its condition."""

from pathlib import Path

from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, photographs
from pipeline_steps.records.licences import Licence
from pipeline_steps.stage.params import Params


class Toy(Params):
    """``ingest.sources.toy``."""

    folder: Path


def published(p: Toy) -> Published:
    """A row a line."""
    mapped = Mapped(
        csv=p.folder / "toy.txt", images=p.folder, masks=p.folder, file="{file}", mask="", image_id="file",
        condition="label", skin_type="", skin_scale="fitzpatrick", skin_assigner="", patient_id="", lesion_id="",
        attributes=(),
    )
    lines = enumerate((p.folder / "toy.txt").read_text().splitlines())
    cells = [(f"line {n}", dict(zip(("file", "label"), line.split(), strict=True))) for n, line in lines]
    return Published(mapped, [Row(row, place, Licence("CC0-1.0", "yes", "a toy")) for place, row in cells])


TOY = DataSet("toy", Toy, lambda p: {"table": p.folder}, lambda p: {"table": p.folder}, photographs(published))
'''


def test_a_file_and_a_row_are_a_data_set(tmp_path):
    clone, folder = copy_tree(tmp_path / "clone"), tmp_path / "toy"
    folder.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (20, 20), "tan").save(folder / f"{name}.png")
    (folder / "toy.txt").write_text("a.png acne\nb.png acne\nc.png nevus\n")
    datasets = clone / "pipeline_steps/datasets"
    (datasets / "toy.py").write_text(TOY.lstrip())
    table = datasets / "catalogue.py"
    text = table.read_text().replace("    PHANTOM,\n", "    PHANTOM,\n    TOY,\n", 1)
    table.write_text(text.replace("\n\n_ALL", "\nfrom pipeline_steps.datasets.toy import TOY\n\n_ALL", 1))

    params = clone / "params.yaml"
    ingest = {"adapter": "toy", "sources": {"toy": {"folder": str(folder)}}}
    params.write_text(overlaid(params.read_text(), {"ingest": ingest}))
    run(sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=clone)
    assert read_yaml(clone / "cells.yaml")["cells"]["ingest"]["reads"]["table"] == str(folder)
    assert "ingest" in repro(clone, "ingest")
    manifest = pd.read_parquet(clone / "data/dataset/manifest.parquet")
    assert manifest["image_status"].tolist() == ["present", "present", "missing"]
    assert set(manifest["licence"]) == {"CC0-1.0"}
