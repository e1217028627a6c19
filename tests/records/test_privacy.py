"""Nothing that leaves the data folder names a photograph or a place on somebody's disk."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, overlaid
from PIL import Image

from pipeline_steps import generate
from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.datasets.table import Decoding, Mapped, read_mapped
from pipeline_steps.generation.adapter_card import AdapterUse, adapter_card
from pipeline_steps.generation.cards import images_card
from pipeline_steps.generation.jobs import Inputs
from pipeline_steps.generation.modes.tone_transfer import ToneTransferParams
from pipeline_steps.ingest import ingest
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.records.privacy import public_id, public_ids, shown_name, shown_value, without_places
from pipeline_steps.reporting import gallery
from pipeline_steps.reporting.settings import shown_params
from pipeline_steps.stage.errors import DataError

SECRET = "MERIDIAN"
PATHS = (
    "/home/ann/MERIDIAN/sd",
    "/home/Ann Smith/MERIDIAN ward/sd",
    "~/MERIDIAN/sd",
    "../MERIDIAN/sd",
    "C:\\MERIDIAN\\sd",
    "\\\\host\\MERIDIAN\\sd",
    "file:///MERIDIAN/sd",
)


def _mapped(folder):
    """The columns of the table beside the photographs in ``folder``."""
    columns = {"image_id": "f", "condition": "c", "skin_type": "t", "patient_id": "", "lesion_id": ""}
    return Mapped(
        csv=folder / "t.csv",
        images=folder,
        masks=folder,
        file="{f}",
        mask="",
        attributes=(),
        skin_scale="fitzpatrick",
        skin_assigner="",
        **columns,
    )


@pytest.fixture
def own_set(tmp_path):
    """A data set of six photographs, ingested; its ids, files and folder hold the secret. One file can't be read."""
    folder = tmp_path / SECRET
    folder.mkdir()
    for i in range(6):
        Image.fromarray(render_condition("psoriasis", 1 + i % 2, i).image).save(folder / f"{SECRET}{i}.png")
    (folder / f"{SECRET}6.png").write_bytes(b"no picture")  # Pillow says whose
    table = pd.DataFrame({"f": [f"{SECRET}{i}.png" for i in range(7)], "c": "psoriasis", "t": [1, 2, 1, 2, 1, 2, 1]})
    table.to_csv(folder / "t.csv", index=False)
    mapped = _mapped(folder)
    out = tmp_path / "dataset"
    out.mkdir()
    return out, ingest(read_mapped(mapped, Decoding(64, "squash", 10**8)), out, ItemStore(out.parent / "items"))


def _info(file):
    with Image.open(file) as image:
        return image.info


def test_generated_files_their_metadata_and_text_carry_public_ids_alone(own_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset, _ = own_set
    manifest = open_dataset(dataset).manifest.query("image_status == 'present'")
    manifest.assign(population="majority", level="1", group="g", partition="train").to_parquet(
        tmp_path / "split.parquet"
    )
    params = ToneTransferParams(
        mode="tone_transfer", images_per_source=2, max_sources=0, seed=0, target_levels=("5", "6"),
        level_choice="random", region="everywhere", feather=0.0, ita={5: (-20.0, 0.0), 6: (-60.0, -40.0)},
    )  # fmt: skip
    out = tmp_path / "data/synthetic/cell"
    generate.generate(params, Inputs(dataset, tmp_path / "split.parquet", tmp_path, tmp_path, tmp_path), out)
    files = [f for f in out.rglob("*") if f.is_file()]
    assert len(files) == 12 + 2
    assert not [f for f in files if SECRET in str(f.relative_to(out)) or SECRET.encode() in f.read_bytes()]
    pictures = [_info(f) for f in files if f.suffix == ".png"]
    assert {info["source_id"] for info in pictures} == set(manifest["public_id"])
    assert SECRET not in str(pictures)
    table = pd.read_csv(out / "metadata.csv")
    assert set(table["source_id"]) == set(manifest["public_id"])
    named = zip(table["file_name"], table["source_id"], strict=True)
    assert all(name.split("/")[1].startswith(f"{source}-") for name, source in named)
    sheet = gallery.sheet("cell", open_dataset(dataset), out, None, 1)  # it finds the sources
    assert SECRET not in sheet.caption + str(Image.open(io.BytesIO(sheet.png)).info)


def test_reasons_in_the_metrics_of_ingest_name_no_file(own_set):
    _, report = own_set
    assert report["images"] == {"present": 6, "missing": 0, "quarantined": 1}
    assert SECRET not in str(report)


def test_unreadable_files_are_counted_without_their_names(tmp_path, monkeypatch):
    """What the system says of a file begins with its path."""
    folder = tmp_path / SECRET
    folder.mkdir()
    Image.new("RGB", (32, 32)).save(folder / f"{SECRET}.png")
    (folder / "t.csv").write_text(f"f,c,t\n{SECRET}.png,psoriasis,1\n")

    def refuse(file, *_args, **_options):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Image, "open", refuse)
    mapped = _mapped(folder)
    report = ingest(read_mapped(mapped, Decoding(32, "squash", 10**8)), tmp_path, ItemStore(tmp_path / "items"))
    assert "Permission denied" in str(report["quarantine_reasons"])
    assert SECRET not in str(report)


def test_public_ids_tell_nothing_to_who_has_the_names_alone():
    """They depend on the pixels, too; and are the same in every clone, whatever other images there are."""
    assert public_id("a", "1") != public_id("a", "2") != public_id("b", "2")
    assert public_id("PAT_1_2_3", "ab" * 32) == "xde8b89f75071e1f3"  # in every clone
    rows = pd.DataFrame({"image_id": ["a", "b", "c"], "sha256": ["1", "1", "2"]})
    assert public_ids(rows)[:2] == public_ids(rows.head(2))
    assert len(set(public_ids(rows))) == 3  # identical copies are two images


def test_a_collision_of_public_ids_is_refused(monkeypatch):
    monkeypatch.setattr("pipeline_steps.records.privacy._HEX", 1)
    rows = pd.DataFrame({"image_id": [str(i) for i in range(40)], "sha256": ""})
    with pytest.raises(DataError, match="share a public id: rename one"):
        public_ids(rows)


@pytest.mark.parametrize("path", PATHS)
def test_cards_and_the_reports_parameters_show_no_place(path):
    train = pd.DataFrame({"condition": ["psoriasis"], "level": ["1"], "target_level": ["5"]})
    settings = {"captioner": "template", "weights": path, "nested": {"deep": [path]}, "note": f"from {path}"}
    if " " in path:
        settings["note"] = f"from '{path}'"
    use = AdapterUse(
        base=path, revision=None, dtype="float32", part="unet", folder=Path(path), conditions=("psoriasis",),
        task="image", method="lora", tokens={"psoriasis": "<p>"}, tokens_folder=Path(path), prompt="<p>",
    )  # fmt: skip
    cards = str(adapter_card(use, "d" * 64, settings, train, "iii-0")) + str(images_card("a model", settings, train))
    assert SECRET not in cards
    assert "base_model: sd" in cards
    own = {"csv": path, "images": path, "masks": path, "file": "{file}"}
    overlay = {"ingest": {"sources": {"folder": own}}, "base_models": {"sd": {"location": path}}}
    shown = shown_params(overlaid((ROOT / "params.yaml").read_text(), overlay))
    assert SECRET not in shown
    assert "location: …/sd" in shown


def test_where_the_data_set_lies_is_left_out_even_within_the_project():
    own = {"csv": f"{SECRET}/{SECRET}.csv", "images": SECRET, "masks": SECRET}
    shown = shown_params(overlaid((ROOT / "params.yaml").read_text(), {"ingest": {"sources": {"folder": own}}}))
    assert SECRET not in shown


def test_the_reports_parameters_are_otherwise_as_they_are():
    text = (ROOT / "params.yaml").read_text()
    changed = [b for a, b in zip(text.split("\n"), shown_params(text).split("\n"), strict=True) if a != b]
    assert changed
    assert all(line.split("#")[0].strip().endswith(": …") for line in changed)


def test_a_place_in_a_comment_is_shortened():
    assert (
        shown_params(f"a: 1 # was /home/{SECRET}/x\n# from /{SECRET}/y z\nb: 2\n")
        == "a: 1 # was …/x\n# from …/y z\nb: 2\n"
    )


@pytest.mark.parametrize(
    "text", ["a / b and/or 1/2", "http://127.0.0.1:8000/v1", "models/base/x", "org/model", "k/(n + 1)"]
)
def test_what_is_no_place_stays(text):
    assert without_places(text) == text
    assert shown_value(text) == text


def test_names_of_models_stay():
    assert [shown_name(n) for n in ("models/base/sd", "org/sd", "/x/sd")] == ["models/base/sd", "org/sd", "sd"]
    assert np.float32(shown_value(np.float32(2))) == 2
