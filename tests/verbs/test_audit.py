"""What is missing must not give the label away unseen."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from scipy.stats.contingency import association

from pipeline_steps import audit
from pipeline_steps.datasets.table import Decoding, Mapped, read_mapped
from pipeline_steps.ingest import ingest
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.skin_scales import parse_skin, skin_columns

SETTINGS = {"folds": 5, "depth": 4, "permutations": 99, "significance": 0.05, "seed": 0}


def _measured(missing, labels, groups=None, **settings):
    """``audit``'s measure of facts (N, F), by name f0, f1 ..."""
    from pipeline_steps.statistics.missingness import MissingnessParams, missingness

    x = np.asarray(missing, bool).reshape(len(labels), -1)
    facts = pd.DataFrame(x, columns=[f"f{i}" for i in range(x.shape[1])])
    group = pd.Series(range(len(labels)) if groups is None else groups).astype(str)
    return missingness(facts, pd.Series(labels).astype(str), group, MissingnessParams(**{**SETTINGS, **settings}))


def test_labels_of_fewer_images_than_folds_have_no_accuracy_and_end_nothing():
    found = _measured([True, False] * 6, list("aaaabbbbcccc"))
    assert found["balanced_accuracy"] is None
    assert found["cramers_v"] == 0
    assert found["p"] == 1


def _stage(folder, monkeypatch, rows):
    """``metrics/audit.json`` of a table without images, rows of (label, type, patient, note)."""
    monkeypatch.chdir(folder)
    lines = [f"{i}.png,{','.join(row)}" for i, row in enumerate(rows)]
    Path("t.csv").write_text("\n".join(["file,label,type,patient,note", *lines]))
    mapped = Mapped(
        csv=Path("t.csv"), images=folder, masks=folder, file="{file}", mask="", image_id="file", condition="label",
        skin_type="type", patient_id="patient", lesion_id="", attributes=("note",), skin_scale="fitzpatrick",
        skin_assigner="",
    )  # fmt: skip
    Path("data").mkdir()
    ingest(read_mapped(mapped, Decoding(16, "squash", 10_000)), Path("data"), ItemStore(Path("items")))
    Path("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    arguments = "--dataset data --out groups.parquet --metrics audit.json"
    monkeypatch.setattr("sys.argv", ["audit", *arguments.split()])
    audit.main()
    return json.loads(Path("audit.json").read_text())


def _patients(blank):
    """Two images each of sixty patients with six conditions; ``blank``: whose skin type nobody noted."""
    conditions = ("bcc", "scc", "mel", "ack", "nev", "sek")
    patients = [(conditions[i % 6], i) for i in range(60) for _ in range(2)]
    return [(c, "" if blank(c, i) else "2", f"p{i}", "UNK" if i % 7 == 0 else "yes") for c, i in patients]


def test_blanks_that_no_cancer_has_are_found_and_said(tmp_path, monkeypatch, capsys):
    rows = _patients(lambda condition, i: condition in {"ack", "nev", "sek"} and i % 4)
    found = _stage(tmp_path, monkeypatch, rows).get("missing_facts")
    assert found is not None
    assert found["predicts_label"]
    assert found["chance"] == pytest.approx(1 / 6, abs=1e-6)
    # One pattern for the cancers, one for the others: two of six conditions can be named, and no more.
    assert 0.25 < found["balanced_accuracy"] <= 1 / 3
    assert found["facts"]["skin_type"]["cramers_v"] > 0.7
    assert found["facts"]["skin_type"]["p"] <= 0.01 < found["facts"]["attribute note"]["p"]
    assert "warning: what is missing predicts the condition" in capsys.readouterr().out


def _assigned(skins, conditions=None):
    """What audit says of rows of (cell, who assigned it)."""
    skin = skin_columns(parse_skin(cell, "fitzpatrick", who) for cell, who in skins)
    table = pd.DataFrame(skin).assign(condition=conditions or "a", role="study")
    return audit.who_assigned(table)


def test_groups_whose_skin_was_told_by_others_are_named():
    found = _assigned([("56", "clinician")] * 3 + [("5", "crowd")] * 2 + [("", "crowd"), ("1", "")], list("aabbbba"))
    assert found["sources"] == {
        "fitzpatrick3 by clinician": 3,
        "fitzpatrick6 by crowd": 2,
        "fitzpatrick6 by nobody named": 1,
    }
    assert found["by_level"]["5"] == {"fitzpatrick6 by crowd": 2}
    assert found["by_condition"]["b"] == {"fitzpatrick3 by clinician": 1, "fitzpatrick6 by crowd": 2}
    assert found["cramers_v"]["level"] == pytest.approx(1)
    said = audit._of_whom(found)
    assert "who assigned the skin type differs between levels (Cramér's V 1.00) and conditions" in said
    assert "fitzpatrick3 by clinician 3" in said


def test_one_assigner_or_the_same_shares_everywhere_are_no_finding():
    assert audit._of_whom(_assigned([("1", "crowd"), ("6", "crowd"), ("", "")])) == ""
    assert audit._of_whom(_assigned([("", "crowd")])) == ""
    assert audit._of_whom(_assigned([(cell, who) for cell in "16" for who in ("crowd", "expert")])) == ""


def test_blanks_by_chance_are_no_finding(tmp_path, monkeypatch, capsys):
    noted = np.random.default_rng(3).integers(2, size=60)
    found = _stage(tmp_path, monkeypatch, _patients(lambda _, i: noted[i])).get("missing_facts")
    assert found is not None
    assert not found["predicts_label"]
    assert found["facts"]["skin_type"]["missing"] == pytest.approx(1 - noted.mean(), abs=0.2)
    assert "warning" not in capsys.readouterr().out


def test_a_perfect_leak_is_read_perfectly():
    labels = np.repeat([0, 1, 2], 20)
    found = _measured(np.stack([labels == 1, labels == 2], 1), labels)
    assert (found["balanced_accuracy"], found["p"]) == (1, 1 / 100)
    assert found["facts"]["f0"]["cramers_v"] == pytest.approx(1)


def test_cramers_v_is_scipys():
    from pipeline_steps.statistics.missingness import cramers_v

    rng = np.random.default_rng(0)
    y, x = rng.integers(0, 5, 200), rng.random((200, 4)) < [0.1, 0.3, 0.5, 0.9]
    x[:, 3] = y > 2
    for column in (*x.T.astype(int), x @ [1, 2, 0, 0]):
        assert cramers_v(column, y) == pytest.approx(association(pd.crosstab(column, y).to_numpy(), method="cramer"))


def test_patients_are_no_independent_images():
    """Ten images a patient share label and blanks, both by lot: seldom a small p-value, and nothing to predict."""
    small, accuracies = 0, []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        of_patient = rng.integers(2, size=(30, 2))
        labels, missing = np.repeat(of_patient, 10, 0).T
        found = _measured(missing, labels, np.repeat(np.arange(30), 10), folds=3, permutations=19, seed=seed)
        small += found["p"] <= 0.05
        small += found["facts"]["f0"]["p"] <= 0.05
        accuracies.append(found["balanced_accuracy"])
    assert small <= 6  # of 40; two are expected
    assert np.mean(accuracies) < 0.55


def test_a_pattern_that_names_a_patient_says_nothing_of_others():
    """Eight facts give each patient a pattern: were images of one on both sides, every label would be known."""
    patterns = np.random.default_rng(0).permutation(256)[:60]
    facts, labels = patterns[:, None] >> np.arange(8) & 1, np.random.default_rng(1).integers(2, size=60)
    found = _measured(np.repeat(facts, 4, 0), np.repeat(labels, 4), np.repeat(np.arange(60), 4), depth=8)
    assert found["balanced_accuracy"] < 0.65


def test_where_nothing_is_missing_there_is_nothing_to_measure():
    found = _measured(np.zeros((20, 2)), np.arange(20) % 2)
    assert (found["balanced_accuracy"], found["p"], found["predicts_label"], found["facts"]) == (None, None, False, {})
    assert _measured(np.arange(20) % 2, np.zeros(20))["balanced_accuracy"] is None


def test_an_annotation_that_an_image_lacks_is_no_blank():
    """SkinCon's entries are the concepts that were seen: their absence is a finding, and so no missing fact."""
    entries = [{"Plaque": "yes"}, {"Scale": "yes"}, {}, {"Scale": "UNK"}]
    table = {"attributes": [json.dumps(e) for e in entries], "skin_value": ["1", "", "2", "34"]}
    table |= {"patient_id": ["p", "", "n/a", "q"], "lesion_id": "", "image_status": "present", "has_mask": True}
    missing = audit.missing_facts(pd.DataFrame(table))
    assert missing["attributes"].tolist() == [False, False, True, False]
    assert not missing["attribute Plaque"].any()
    assert missing["attribute Scale"].tolist() == [False, False, False, True]
    assert missing["skin_type"].tolist() == [False, True, False, False]
    assert missing["patient_id"].tolist() == [False, True, True, False]
