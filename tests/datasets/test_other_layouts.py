"""Exports, folders of classes and Hugging Face's imagefolder: headers that vary, partitions, licences by image."""

import json

import published_sets
import pytest
from published_sets import pictures, table

from pipeline_steps.datasets.catalogue import DATA_SETS
from pipeline_steps.datasets.data_set import Decoding
from pipeline_steps.records.manifest import UNLABELLED
from pipeline_steps.stage.errors import BadImageError, DataError

D = Decoding(16, "squash", 10_000)


def _read(name, **settings):
    return DATA_SETS[name].read(DATA_SETS[name].params(**settings), D)


def _isic(folder, rows, header=published_sets.ISIC, label="diagnosis", attributes=()):
    table(folder / "metadata.csv", header, rows)
    return _read("isic_archive", folder=folder, label=label, attributes=attributes)


def test_an_export_of_isic_has_the_licence_of_each_image(tmp_path):
    rows = [
        {"isic_id": "ISIC_1", "copyright_license": "CC-BY", "attribution": "Invented Centre A, Dermatology"},
        {"isic_id": "ISIC_2", "copyright_license": "CC-BY-NC", "attribution": "Anonymous"},
        {"isic_id": "ISIC_3", "copyright_license": "CC-0"},
        {"isic_id": "ISIC_4"},
    ]
    source = _isic(tmp_path, rows)
    assert source.table["redistribute"].tolist() == ["yes", "conditions", "yes", "ask"]
    assert source.table["licence"].tolist() == ["CC-BY", "CC-BY-NC", "CC-0", ""]
    assert source.table["attribution"][0] == "Invented Centre A, Dermatology"
    assert source.report["licence_unknown"] == 1


def test_the_class_of_an_isic_image_is_its_finest_diagnosis(tmp_path):
    nevus = {"diagnosis_1": "Benign", "diagnosis_2": "Benign melanocytic proliferations", "diagnosis_3": "Nevus"}
    rows = [
        {"isic_id": "ISIC_1", **nevus, "diagnosis_4": "Nevus, NOS, Compound", "fitzpatrick_skin_type": "II"},
        {"isic_id": "ISIC_2", **nevus, "lesion_id": "IL_1"},
        {"isic_id": "ISIC_3", "diagnosis_1": "Benign"},
        {"isic_id": "ISIC_4", "diagnosis_1": "Indeterminate", "diagnosis_2": "Indeterminate epidermal"},
    ]
    table_ = _isic(tmp_path, rows).table
    assert table_["condition"].tolist() == ["nevus, nos, compound", "nevus", UNLABELLED, "indeterminate epidermal"]
    assert table_["skin_value"].tolist() == ["2", "", "", ""]
    binary = _isic(tmp_path, rows, label="malignancy")
    assert binary.table["condition"].tolist() == ["benign", "benign", "benign", UNLABELLED]
    assert binary.report["indeterminate"] == 1


def test_an_export_of_isic_may_lack_any_column(tmp_path):
    pictures(tmp_path, "ISIC_1.jpg", "ISIC_2.JPG")
    (tmp_path / ".isic-partial.7.ISIC_3.jpg").write_bytes(b"broken")
    rows = [{"isic_id": "ISIC_1", "diagnosis": "nevus"}, {"isic_id": "ISIC_2", "diagnosis": "melanoma"}]
    source = _isic(tmp_path, rows, "isic_id,diagnosis", attributes=("sex",))
    assert source.table["condition"].tolist() == ["nevus", "melanoma"]
    assert source.report["files_without_row"] == 0
    assert source.load(1).pixels.shape == (16, 16, 3)
    assert json.loads(source.table["attributes"][0]) == {"sex": ""}


def test_what_isic_calls_synthetic_is_quarantined(tmp_path):
    pictures(tmp_path, "ISIC_1.jpg")
    source = _isic(tmp_path, [{"isic_id": "ISIC_1", "image_manipulation": "synthetic"}])
    with pytest.raises(BadImageError, match="calls it synthetic"):
        source.load(0)


def _dermacon(folder, rows, label="main_class", skin_type="fitzpatrick", header=published_sets.DERMACON):
    table(folder / "METADATA/Skin_Metadata.csv", header, rows)
    settings = {"label": label, "skin_type": skin_type, "attributes": ("Body_part",)}
    return _read("dermacon_in", folder=folder, **settings)


DERMACON_ROWS = [
    {"Image_name": "IMG_1.JPG", "Subject_ID": "S1", "Gradability": "Yes", "Fitzpatrick": "FST 4",
     "Monk_skin_tone": "MST 10", "Main_class": "Keratanisation Disorders", "Body_part": "Armpits (Axillary);Back"},
    {"Image_name": "WhatsApp Image 2099-01-02 at 10.00.00.jpg", "Subject_ID": "S2", "Gradability": "Yes",
     "Fitzpatrick": "N/A", "Monk_skin_tone": "", "Main_class": "Keratinisation Disorders"},
    {"Image_name": "IMG_3.jpeg", "Subject_ID": "S3", "Gradability": "No", "Main_class": "Inflammatory Disorders"},
    {"Image_name": "IMG_4.jpg", "Subject_ID": "S3", "Gradability": "Yes", "Main_class": "No Definite Diagnosis",
     "Disease_label": "Eczema"},
]  # fmt: skip


@pytest.mark.parametrize("header", [published_sets.DERMACON, published_sets.DERMACON.lower()])
def test_dermacon_in_is_read_with_its_spellings(tmp_path, header):
    rows = [{k if header != header.lower() else k.lower(): v for k, v in row.items()} for row in DERMACON_ROWS]
    pictures(tmp_path, *(f"DATASET/{row['Image_name']}" for row in DERMACON_ROWS))
    source = _dermacon(tmp_path, rows, header=header)
    kept = ["keratinisation disorders"] * 2 + [UNLABELLED] * 2
    assert source.table["condition"].tolist() == kept
    assert source.table["patient_id"].tolist() == ["S1", "S2", "S3", "S3"]
    assert source.table["skin_value"].tolist() == ["4", "", "", ""]
    assert json.loads(source.table["other_skin"][0])["monk_skin_tone"]["value"] == "10"
    assert json.loads(source.table["attributes"][0]) == {"body_part": "Armpits (Axillary);Back"}
    assert all(source.load(i).pixels.shape == (16, 16, 3) for i in range(4))
    assert source.report["not_gradable"] == 1
    by_monk = _dermacon(tmp_path, rows, "disease_label", "monk_skin_tone", header).table
    assert by_monk[["skin_scale", "skin_value"]].iloc[0].tolist() == ["monk10", "10"]
    assert by_monk["condition"].tolist()[3] == UNLABELLED  # a disease of no definite diagnosis


def test_partitions_of_dermacon_in_are_kept_and_hold_each_person_once(tmp_path):
    names = [row["Image_name"] for row in DERMACON_ROWS]
    table(tmp_path / "train_split.csv", "Image_name", [{"Image_name": name} for name in names[:2]])
    table(tmp_path / "test_split.csv", "Image_name", [{"Image_name": name} for name in names[2:]])
    facts = [json.loads(text)["partition"] for text in _dermacon(tmp_path, DERMACON_ROWS).table["attributes"]]
    assert facts == ["train", "train", "test", "test"]
    table(tmp_path / "train_split.csv", "Image_name", [{"Image_name": name} for name in names[:3]])
    table(tmp_path / "test_split.csv", "Image_name", [{"Image_name": name} for name in names[3:]])
    with pytest.raises(DataError, match="subject S3 is in both partitions"):
        _dermacon(tmp_path, DERMACON_ROWS)


@pytest.mark.parametrize("split", [False, True])
def test_a_folder_a_class_is_a_condition(tmp_path, split):
    inner = ["train/", "val/", "test/"] if split else ["", "", ""]
    pictures(
        tmp_path, *(f"{part}Basal_cell-carcinoma/{i}.jpg" for i, part in enumerate(inner)), f"{inner[0]}nevus/0.png"
    )
    source = _read("class_folders", folder=tmp_path, licence="CC0-1.0", redistribute="yes")
    assert sorted(set(source.table["condition"])) == ["basal cell carcinoma", "nevus"]
    assert source.table["image_id"].is_unique
    assert set(source.table["licence"]) == {"CC0-1.0"}
    parts = {json.loads(text).get("partition") for text in source.table["attributes"]}
    assert parts == ({"train", "validation", "test"} if split else {None})
    assert source.load(0).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("names", "said"), [([], "holds no pictures"), (["a.png", "b/c.png"], "a.png lies in no class's folder")]
)
def test_a_folder_without_classes_is_refused(tmp_path, names, said):
    pictures(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        _read("class_folders", folder=tmp_path, licence="", redistribute="ask")


HUB = {
    "condition": "label", "skin_type": "fst", "skin_scale": "fitzpatrick", "skin_assigner": "expert",
    "patient_id": "patient", "lesion_id": "", "attributes": ("age",), "licence": "", "redistribute": "ask",
}  # fmt: skip
FACTS = [{"label": "acne", "fst": 5, "patient": 123456789012345678, "age": None}, {"label": "nevus", "fst": "II"}]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_imagefolder_is_read_in_both_its_forms(tmp_path, form):
    """Columns that a split's table lacks are blank there; numbers of JSON are not rounded."""
    for part, facts in zip(("train", "validation"), FACTS, strict=True):
        pictures(tmp_path, f"{part}/pictures/0.png")
        row = {"file_name": "pictures/0.png", **facts}
        if form == "csv":
            table(
                tmp_path / part / "metadata.csv", ",".join(row), [{k: "" if v is None else v for k, v in row.items()}]
            )
        else:
            (tmp_path / part / "metadata.jsonl").write_text(json.dumps(row) + "\n\n")
    source = _read("imagefolder", folder=tmp_path, **HUB)
    assert source.table["condition"].tolist() == ["acne", "nevus"]
    assert source.table["skin_value"].tolist() == ["5", "2"]
    assert source.table["patient_id"].tolist() == ["123456789012345678", ""]
    assert [json.loads(a) for a in source.table["attributes"]] == [
        {"age": "", "partition": "train"}, {"age": "", "partition": "validation"}
    ]  # fmt: skip
    assert source.load(1).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("data.parquet", "PAR1", "Parquet files hold images"),
        ("other.txt", "", "adapter class_folders"),
        ("metadata.jsonl", '{"file_name": "a.png"}\n{"file_name": ', r"metadata\.jsonl, line 2"),
        ("metadata.jsonl", "[1]\n", "line 1: it is no JSON object"),
        ("metadata.jsonl", '{"image": "a.png"}\n', "no column 'file_name'"),
        ("metadata.csv", "file_name,label\na.png,x\n", "no column 'fst'"),
    ],
)
def test_what_is_no_imagefolder_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        _read("imagefolder", folder=tmp_path, **HUB)
