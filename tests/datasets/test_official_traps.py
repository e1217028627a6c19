"""Defects that published tables have: each is read as it is meant, counted, or refused with its place and a remedy."""

import json
from pathlib import Path

import published_sets
import pytest
from conftest import ROOT
from published_sets import pictures, table

from pipeline_steps.datasets.catalogue import DATA_SETS
from pipeline_steps.datasets.data_set import Decoding
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.ingest import read_source
from pipeline_steps.records.manifest import UNLABELLED
from pipeline_steps.stage.errors import BadImageError, DataError
from pipeline_steps.stage.mistakes import mistakes
from pipeline_steps.stage.params import read_yaml

D = Decoding(16, "squash", 10_000)


def _read(name, **settings):
    return DATA_SETS[name].read(DATA_SETS[name].params(**settings), D)


def _scin(folder, cases, labels, skin_type="dermatologists", attributes=()):
    """Cases of one photograph, whose path is named after the case unless it is given, and their labels."""
    filled = [{"image_1_path": f"dataset/images/{c['case_id']}.png"} | c for c in cases]
    pictures(folder, "dataset/images/1.png")
    table(folder / "dataset/scin_cases.csv", published_sets.SCIN_CASES, filled)
    whole = [{"weighted_skin_condition_label": "{}"} | row for row in labels]
    table(folder / "dataset/scin_labels.csv", published_sets.SCIN_LABELS, whole)
    return _read("scin", folder=folder, skin_type=skin_type, attributes=attributes)


FIRST, SECOND, THIRD = (f"dermatologist_fitzpatrick_skin_type_label_{n}" for n in (1, 2, 3))
CASE = "dataset/images/-2243186711511406658"
LABEL = "weighted_skin_condition_label"


def test_scin_has_one_label_a_case_and_none_where_two_weigh_the_same(tmp_path):
    labels = [
        {"case_id": "1", LABEL: "{'Tinea': 0.33, 'SCC/SCCIS': 0.66}"},
        {"case_id": "2", LABEL: "{'Insect Bite': 0.5, 'Urticaria': 0.5}"},
        {"case_id": "3", LABEL: "{'Acute dermatitis, NOS': 1.01}"},
        {"case_id": "4"},
    ]
    source = _scin(tmp_path, [{"case_id": str(n)} for n in (4, 3, 2, 1)], labels)
    said = source.table.set_index("lesion_id")["condition"]
    assert said.to_dict() == {"1": "scc/sccis", "2": UNLABELLED, "3": "acute dermatitis, nos", "4": UNLABELLED}
    ties = [json.loads(text).get("tie") for text in source.table["attributes"]]
    assert ties == [None, None, "yes", None]
    assert (source.report["ties"], source.report["label_blank"]) == (1, 2)


def test_scin_keeps_its_raters_apart(tmp_path):
    """Their median is of dermatologists alone; between two types it is undecided."""
    rated = [("FST5", "FST6", "FST5"), ("FST3", "FST4", ""), ("", "", ""), ("FST2", "", "")]
    labels = [
        {"case_id": str(n), FIRST: a, SECOND: b, THIRD: c, "monk_skin_tone_label_us": "9.0"}
        for n, (a, b, c) in enumerate(rated, 1)
    ]
    cases = [{"case_id": str(n), "fitzpatrick_skin_type": "NONE_SELECTED"} for n in range(1, 4)]
    cases.append({"case_id": "4", "fitzpatrick_skin_type": "FST6"})
    source = _scin(tmp_path, cases, labels)
    assert source.table["skin_value"].tolist() == ["5", "", "", "2"]
    assert set(source.table["skin_assigner"]) == {"expert", ""}
    assert source.report["skin_type_undecided"] == 1
    other = json.loads(source.table["other_skin"].iloc[3])
    assert other["fitzpatrick_skin_type"] == {
        "scale": "fitzpatrick6", "value": "6", "assigner": "self", "raw": "FST6"
    }  # fmt: skip
    assert other["monk_skin_tone_label_us"]["scale"] == "monk10"
    by_self = _scin(tmp_path, cases, labels, "self").table
    assert by_self["skin_value"].tolist() == ["", "", "", "6"]
    assert _scin(tmp_path, cases, labels, "monk_us").table["skin_scale"].unique().tolist() == ["monk10"]


def test_scin_cases_that_share_a_photograph_are_one_group(tmp_path):
    """Fifteen photographs stand in several cases: they would lie on both sides of a split."""
    path = "dataset/images/-7070707070707070707.png"
    cases = [
        {"case_id": "7", "image_1_path": path, "image_2_path": "dataset/images/1.png"},
        {"case_id": "8", "image_1_path": path, "image_2_path": "dataset/images/2.png"},
        {"case_id": "9"},
    ]
    labels = [{"case_id": "7", LABEL: "{'Tinea': 1.0}"}, {"case_id": "8", LABEL: "{'Acne': 1.0}"}, {"case_id": "9"}]
    source = _scin(tmp_path, cases, labels)
    assert source.table["image_id"].tolist() == ["-7070707070707070707", "1", "2", "9"]
    assert source.table["lesion_id"].tolist() == ["7", "7", "7", "9"]
    assert source.table["condition"].tolist()[:3] == [UNLABELLED, "tinea", "acne"]
    assert source.report["shared_photographs"] == 1


def test_a_path_of_scin_without_its_ending_is_found(tmp_path):
    pictures(tmp_path, f"{CASE}.png")
    source = _scin(tmp_path, [{"case_id": "1", "image_1_path": CASE}], [{"case_id": "1"}])
    assert source.load(0).pixels.shape == (16, 16, 3)
    assert source.report["files_by_another_spelling"] == 1


@pytest.mark.parametrize(
    ("cases", "labels", "said"),
    [
        (["-1.23457E+18"], ["1"], r"scin_cases\.csv, row 2, column case_id: .*E\+18.*spreadsheets round long ids"),
        (["1", "2"], ["1", "3"], r"hold other cases \(2, such as 2\)"),
        (["1", "1"], ["1", "1"], "row 3: case 1 has a row already"),
    ],
)
def test_changed_tables_of_scin_are_refused(tmp_path, cases, labels, said):
    with pytest.raises(DataError, match=said):
        _scin(tmp_path, [{"case_id": c} for c in cases], [{"case_id": c} for c in labels])


@pytest.mark.parametrize("cell", ["", "[]", "{'a': b}", "__import__('os').getcwd()", "{'a': 'b'}"])
def test_a_weight_of_scin_that_is_none_is_refused(tmp_path, cell):
    with pytest.raises(DataError, match=r"row 2, column weighted_skin_condition_label: .*as it was published"):
        _scin(tmp_path, [{"case_id": "1"}], [{"case_id": "1", LABEL: cell}])


def _ddi(folder, rows, header=published_sets.DDI, label="malignant"):
    pictures(folder, "images/000001.png")
    table(folder / "ddi_metadata.csv", header, rows)
    return _read("ddi", folder=folder, label=label, attributes=())


ONE = {"DDI_ID": "1", "DDI_file": "000001.png", "skin_tone": "34", "disease": "nodular-melanoma-(nm)"}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (published_sets.DDI, {"malignant": "True"}),
        (published_sets.DDI, {"malignant": "TRUE"}),
        (published_sets.DDI.replace("malignant", "malignancy(malig=1)"), {"malignancy(malig=1)": "1"}),
    ],
)
def test_every_release_of_ddi_says_malignant(tmp_path, header, said):
    source = _ddi(tmp_path, [ONE | said], header)
    assert source.table["condition"].tolist() == ["malignant"]
    assert source.table[["skin_scale", "skin_value", "skin_assigner"]].iloc[0].tolist() == [
        "fitzpatrick3", "34", "clinician"
    ]  # fmt: skip
    assert source.load(0).pixels.shape == (16, 16, 3)
    assert _ddi(tmp_path, [ONE | said], header, "disease").table["condition"].tolist() == ["nodular melanoma (nm)"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"skin_tone": "3"}, r"row 2, column skin_tone: '3' is none of 12, 34, 56"),
        ({"DDI_ID": "2"}, r"row 2: DDI_ID '2' and DDI_file '000001.png' are of two images"),
        ({"malignant": "maybe"}, r"row 2, column malignant: 'maybe'"),
    ],
)
def test_changed_rows_of_ddi_are_refused(tmp_path, changed, said):
    with pytest.raises(DataError, match=said):
        _ddi(tmp_path, [ONE | {"malignant": "True"} | changed])


def _c_list(folder, renamed, **changed):
    published_sets.c_list(folder, renamed=renamed)
    csv = folder / "Fitzpatrick17k-C.csv"
    for old, new in changed.items():
        csv.write_text(csv.read_text().replace(old, new))
    return _read("fitzpatrick17k_c", csv=csv, images=folder / "images", check_md5=False, attributes=())


def test_both_layouts_of_fitzpatrick17k_c_give_the_same_rows(tmp_path):
    new, old = (_c_list(tmp_path / str(renamed), renamed) for renamed in (True, False))
    assert new.table.drop(columns="file").equals(old.table.drop(columns="file"))
    assert all(source.load(17).pixels.shape == (16, 16, 3) for source in (new, old))
    assert new.table["skin_value"].tolist()[16:] == ["", ""]


def test_two_disagreeing_types_of_fitzpatrick17k_c_are_refused(tmp_path):
    published_sets.c_list(tmp_path)
    csv = tmp_path / "Fitzpatrick17k-C.csv"
    lines = csv.read_text().splitlines()
    cells = lines[1].split(",")
    cells[3] = "4"
    csv.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    with pytest.raises(DataError, match="row 2: fst says '4' and fitzpatrick '1'"):
        _read("fitzpatrick17k_c", csv=csv, images=tmp_path, check_md5=False, attributes=())


def test_a_changed_file_of_fitzpatrick17k_c_fails_its_md5(tmp_path):
    published_sets.c_list(tmp_path)
    params = {"csv": tmp_path / "Fitzpatrick17k-C.csv", "images": tmp_path / "images", "attributes": ()}
    with pytest.raises(BadImageError, match="MD5"):
        _read("fitzpatrick17k_c", **params, check_md5=True).load(0)


@pytest.mark.parametrize("name", ["HAM10000_metadata", "HAM10000_metadata.csv", "HAM10000_metadata.tab"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("columns", [published_sets.HAM, published_sets.HAM.removesuffix(",dataset")])
def test_every_form_of_ham10000s_table_says_the_same(tmp_path, name, end, columns):
    rows = [
        {"lesion_id": "HAM_1", "image_id": "ISIC_1", "dx": "akiec", "age": "80.0", "sex": "unknown"},
        {"lesion_id": "HAM_1", "image_id": "ISIC_2", "dx": "akiec", "age": "80", "sex": "unknown"},
        {"lesion_id": "HAM_2", "image_id": "ISIC_3", "dx": "df", "age": "0.0", "sex": "male"},
    ]
    table(tmp_path / name, columns, rows, "\t" if name.endswith("tab") else ",", end=end)
    source = _read("ham10000", folder=tmp_path, attributes=("age", "sex"))
    assert source.table["lesion_id"].tolist() == ["HAM_1", "HAM_1", "HAM_2"]
    assert [json.loads(a)["age"] for a in source.table["attributes"]] == ["80", "80", ""]
    assert source.report["ages_of_0"] == 1
    assert source.lacking.startswith("none of the 3 images")


def test_two_files_of_one_image_are_one_or_refused(tmp_path):
    published_sets.ham(tmp_path)
    assert _read("ham10000", folder=tmp_path, attributes=()).report["files_without_row"] == 0
    (tmp_path / "ham10000_images_part_1/ISIC_0990000.jpg").write_bytes(b"another")
    with pytest.raises(DataError, match=r"two files for one image, and they differ: .*ISIC_0990000.*keep one"):
        _read("ham10000", folder=tmp_path, attributes=())


LABELS = {"isic_archive": "diagnosis", "ddi": "disease", "dermacon_in": "sub_class"}
SKIN_TYPES = {"scin": "self", "dermacon_in": "fitzpatrick", "fitzpatrick17k": "fitzpatrick_scale"}


@pytest.mark.parametrize(
    ("name", "attribute", "why"),
    [("pad_ufes_20", "biopsed", "every cancer was"), ("isic_archive", "attribution", "centre"),
     ("ham10000", "dx_type", "confirmed"), ("scin", LABEL, "diagnosis"), ("pad_ufes_20", "diagnostic", "diagnosis"),
     ("ddi", "malignant", "diagnosis"), ("dermacon_in", "Main_class", "diagnosis"),
     ("fitzpatrick17k", "nine_partition_label", "diagnosis"), ("fitzpatrick17k_c", "diag", "diagnosis")],
)  # fmt: skip
def test_what_gives_the_diagnosis_away_is_no_attribute(name, attribute, why):
    ingest = read_yaml(ROOT / "params.yaml")["ingest"] | {"adapter": name}
    settings = {"folder": "x", "csv": "x", "images": "x", "skincon": None, "check_md5": False}
    settings |= {"attributes": [attribute], "label": LABELS.get(name), "skin_type": SKIN_TYPES.get(name)}
    known = {key: value for key, value in settings.items() if key in DATA_SETS[name].params.model_fields}
    ingest["sources"] = {name: known}
    (line,) = mistakes(IngestParams, ingest, "ingest")
    assert line.startswith(f"ingest.sources.{name}.attributes is [{attribute!r}]: {attribute} gives the diagnosis away")
    assert why in line


def test_an_archive_that_is_not_unpacked_is_told(tmp_path):
    published_sets.pad(tmp_path / "made")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/imgs_part_1.zip").write_bytes(b"PK")
    (tmp_path / "made/metadata.csv").rename(tmp_path / "metadata.csv")
    (tmp_path / "made").rename(Path(f"{tmp_path}-elsewhere"))
    ingest_params = read_yaml(ROOT / "params.yaml")["ingest"] | {"adapter": "pad_ufes_20"}
    ingest_params["sources"] = {"pad_ufes_20": {"folder": str(tmp_path), "attributes": []}}
    with pytest.raises(DataError, match=r"images/imgs_part_1\.zip is: unpack"):
        read_source(IngestParams.model_validate(ingest_params))


def test_a_source_that_is_not_there_is_named_with_what_it_needs():
    ingest_params = read_yaml(ROOT / "params.yaml")["ingest"] | {"adapter": "scin"}
    (line,) = mistakes(IngestParams, ingest_params, "ingest")
    assert "sources lacks scin, which adapter names: give it" in line
    assert "folder" in line
