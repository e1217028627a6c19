"""Sample rows in the published forms, where they are at hand: each gives the counts that its rows imply."""

import shutil

import pytest

from pipeline_steps.datasets.catalogue import DATA_SETS
from pipeline_steps.datasets.data_set import Decoding
from pipeline_steps.records.manifest import UNLABELLED

D = Decoding(16, "squash", 10_000)
TABLES = {"csv": "table.csv", "images": "images"}
# Sample files and the names that the download has, parameters, counts of the report, patients and lesions, labels.
SAMPLES = {
    "fitzpatrick17k": (
        {"fitzpatrick17k_sample.csv": "table.csv"},
        TABLES | {"skincon": None, "check_md5": True, "skin_type": "fitzpatrick_scale"},
        {"rows": 10, "skin_type_unknown": 1, "url_missing": 1}, (0, 0), 10,
    ),
    "fitzpatrick17k_c": (
        {"fitzpatrick17k_c_sample.csv": "table.csv"}, TABLES | {"check_md5": True},
        {"rows": 10, "skin_type_unknown": 1, "url_missing": 1}, (0, 0), 10,
    ),
    "pad_ufes_20": (
        {"pad_ufes_20_sample.csv": "metadata.csv"}, {},
        {"rows": 12, "skin_type_unknown": 3, "lesion_ids_of_several_patients": 1}, (10, 11), 12,
    ),
    "scin": (
        {"scin_cases_sample.csv": "dataset/scin_cases.csv", "scin_labels_sample.csv": "dataset/scin_labels.csv"},
        {"skin_type": "dermatologists"},
        {"rows": 16, "ties": 1, "skin_type_undecided": 2, "shared_photographs": 1}, (0, 11), None,
    ),
    "ddi": ({"ddi_sample.csv": "ddi_metadata.csv"}, {"label": "malignant"}, {"skin_type_unknown": 0}, (0, 0), 11),
    "ham10000": ({"ham10000_dataverse_sample.tab": "HAM10000_metadata.tab"}, {}, {"ages_of_0": 1}, (0, 9), 11),
    "isic_archive": (
        {"isic_archive_sample.csv": "metadata.csv"}, {"label": "diagnosis"},
        {"rows": 10, "skin_type_unknown": 4, "indeterminate": 1, "licence_unknown": 0}, (4, 4), 8,
    ),
    "dermacon_in": (
        {"dermacon_in_sample.csv": "METADATA/Skin_Metadata.csv"},
        {"skin_type": "fitzpatrick", "label": "main_class"},
        {"rows": 10, "skin_type_unknown": 2, "not_gradable": 1}, (9, 0), 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_gives_the_counts_that_its_rows_imply(name, real_data, tmp_path):
    files, settings, counts, (patients, lesions), labelled = SAMPLES[name]
    for sample, published in files.items():
        (tmp_path / published).parent.mkdir(exist_ok=True)
        shutil.copyfile(real_data / "schemas" / sample, tmp_path / published)
    places = {key: tmp_path / value for key, value in settings.items() if key in TABLES}
    whole = {"folder": tmp_path, "attributes": (), **settings, **places}
    model = DATA_SETS[name].params
    source = DATA_SETS[name].read(model(**{k: v for k, v in whole.items() if k in model.model_fields}), D)
    assert source.report.items() >= counts.items()
    known = [source.table.loc[source.table[ids] != "", ids].nunique() for ids in ("patient_id", "lesion_id")]
    assert known == [patients, lesions]
    if labelled is not None:
        assert (source.table["condition"] != UNLABELLED).sum() == labelled


@pytest.mark.parametrize("form", ["ham10000_sample.csv", "ham10000_kaggle_sample.csv"])
def test_all_forms_of_ham10000s_sample_are_one(form, real_data, tmp_path):
    tables = []
    for sample, name in ((form, "HAM10000_metadata"), ("ham10000_dataverse_sample.tab", "HAM10000_metadata.tab")):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copyfile(real_data / "schemas" / sample, folder / name)
        params = DATA_SETS["ham10000"].params(folder=folder, attributes=("age", "sex", "localization"))
        tables.append(DATA_SETS["ham10000"].read(params, D).table)
    assert tables[0].equals(tables[1])
