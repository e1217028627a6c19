"""The page speaks of who was studied: skin types, groups, another column; photographs or phantoms."""

import dataclasses
import html
import json
import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from conftest import ROOT
from studies import STUDY

from pipeline_steps import report
from pipeline_steps.measures.classifiers.table import CLASSIFIERS
from pipeline_steps.records.populations import LEVELS_OF, SKIN_TYPE
from pipeline_steps.reporting import figures
from pipeline_steps.reporting.comparisons import contenders
from pipeline_steps.reporting.findings import findings
from pipeline_steps.reporting.results import gather
from pipeline_steps.reporting.sections.introduction import beyond
from pipeline_steps.reporting.study import METRICS, read_study
from pipeline_steps.reporting.summary import summary
from pipeline_steps.stage.params import read_yaml

MISSING_FACTS = dict.fromkeys(("p", "predicts_label", "balanced_accuracy", "chance", "cramers_v", "images"))
ALL_SEVEN = tuple(read_yaml(ROOT / "params.yaml")["subset"]["conditions"])
PHOTOGRAPHS = {"adapter": "folder", "file": "a.jpg", "skin_assigner": "crowd"}
FITZPATRICK17K = {"adapter": "fitzpatrick17k", "file": "a.jpg", "skin_assigner": "crowd"}
PHANTOMS = {"adapter": "phantom", "file": "", "skin_assigner": "rendered"}
PARTITIONS = ("train", "validation", "test", "test_light", "reference", "holdout", "excluded")
CELL = {"arm": "real", "architecture": "resnet18", "augmenter": "", "split": "i-0"}
CELLS = {"train_classifier": {"real-resnet18-i-0": CELL}}
CELLS |= {s: {} for s in ("invert_tokens", "finetune", "generate", "screen", "train_segmenter", "score_masks")}


def _scores(levels):
    """What ``evaluate`` writes of 40 images of each level."""
    by_level = {"accuracy": 0.5, "n": 40, "accuracy_interval": [0.4, 0.6]}
    by_level = {measure: dict.fromkeys(levels, value) for measure, value in by_level.items()}
    between = dict.fromkeys(["worst_level", *(m.name for m in CLASSIFIERS if m.between_levels)])
    whole = dict.fromkeys(["n", *(m.name for m in CLASSIFIERS if not m.between_levels)], 0.5)
    return {**whole, "accuracy_interval": [0.4, 0.6], "by_level": {**by_level, **between}}


@pytest.fixture
def drawn(monkeypatch):
    """The figures, kept from being closed."""
    kept = []
    monkeypatch.setattr(figures, "_png", lambda figure: kept.append(figure) or b"")
    yield kept
    plt.close("all")


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A function from who is studied, and on what data, to the report's page: one classifier, one image."""
    monkeypatch.chdir(tmp_path)

    def write(name, content):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))

    def render(data, skin, conditions, levels, column=SKIN_TYPE, **selected):
        params = read_yaml(ROOT / "params.yaml")
        params["ingest"]["adapter"] = data["adapter"]
        named = LEVELS_OF[column]
        params["population"] |= {"column": column, "levels": named, "majority": skin[0], "minority": skin[1]}
        write("params.yaml", params)
        write("metrics/ingest.json", {"images": {"present": 1, "missing": 0, "quarantined": 0}})
        write("metrics/audit.json", {"missing_facts": MISSING_FACTS})
        counts = {c: dict.fromkeys(levels, 9) for c in conditions}
        dropped = {"no pixels": dict.fromkeys(levels, 1) | {"unknown": 2}}
        write("metrics/subset.json", {"policy": "clean", "counts": counts, "dropped": dropped, **selected})
        scores = _scores(levels)
        write("metrics/classification/real-resnet18-i-0.json", {"test": scores, "test_light": scores})
        (tmp_path / "data/dataset").mkdir(parents=True)
        manifest = {"image_id": ["a"], "sha256": "", "file": data["file"], "skin_assigner": data["skin_assigner"]}
        pd.DataFrame(manifest).to_parquet("data/dataset/manifest.parquet")
        study = read_study({"i": {"0": dict.fromkeys(PARTITIONS, 40)}}, CELLS)
        text = report.page(findings(gather(CELLS, METRICS, column), study, CELLS), tmp_path)
        return html.unescape(text).split("</style>")[1].split("<h2>Parameters</h2>")[0]

    return render


def test_photographs_are_no_phantoms_and_their_levels_are_named_as_asked_for(page):
    text = page(PHOTOGRAPHS, ([1, 2], [3, 4, 5]), ["nevus", "psoriasis"], "12345")
    assert not re.findall(r"\b(?:phantom|rendered|paper|dark|light)\b", text, re.IGNORECASE)
    assert "test, skin types III, IV, V (minority)" in text
    assert "test, skin types I, II (majority)" in text


@pytest.mark.parametrize(
    ("data", "minority", "conditions", "beside"),
    [
        (PHANTOMS, [5, 6], ALL_SEVEN, True),
        (FITZPATRICK17K, [5, 6], ALL_SEVEN, True),
        (PHOTOGRAPHS, [5, 6], ALL_SEVEN, False),
        (PHANTOMS, [4], ALL_SEVEN, False),
        (FITZPATRICK17K, [5, 6], ALL_SEVEN[:3], False),
    ],
)
def test_the_papers_figures_stand_beside_its_own_study_alone(page, data, minority, conditions, beside):
    text = page(data, ([1, 2], minority), conditions, ["1", "2", *map(str, minority)])
    assert ("68.45" in text, "paper: real" in text) == (beside, beside), "Table 2, scenario i, ResNet"
    assert ("Phantom results" in text) == (data is PHANTOMS)


def test_a_study_of_groups_names_them(page, drawn):
    text = page(PHOTOGRAPHS, ([1, 2], [3, 4, 5, 6]), ["nevus", "psoriasis"], ["12", "34", "56"])
    assert "minority: skin types III-IV, V-VI" in text
    assert "test, skin types III-IV, V-VI (minority)" in text
    assert "<th>I-II</th><th>III-IV</th><th>V-VI</th>" in text
    assert "no pixels 5 (I-II: 1, III-IV: 1, V-VI: 1, unknown: 2)" in text
    ticks = [t.get_text() for t in drawn[0].axes[0].get_xticklabels()]
    assert ticks == ["I-II\nn 40", "III-IV\nn 40", "V-VI\nn 40"]
    measured = contenders(gather(CELLS, METRICS, SKIN_TYPE), "test", ("3", "4", "5", "6", "34", "56"))["real"]
    assert list(measured["minority_images"]) == [80]


def test_types_that_were_estimated_are_marked_wherever_the_report_and_the_summary_name_them(page, drawn):
    skin = (["ita1", "ita2"], ["ita5", "ita6"])
    text = page(PHOTOGRAPHS, skin, ["nevus"], ["ita1", "ita5"], "ita_type", ita="measured by audit")
    assert "minority: skin types V, VI (estimated from ITA)" in text
    assert "test, skin types V, VI (estimated from ITA) (minority)" in text
    assert "Skin type (estimated from ITA): ITA is measured by audit. " in text
    assert "Nobody assigned these types" in text
    assert "no pixels 4 (I (estimated from ITA): 1, V (estimated from ITA): 1, unknown: 2)" in text
    assert "<th>I (estimated from ITA)</th>" in text
    unmarked = re.findall(r"\b(?:ita[1-6]|(?:I|V|VI)(?!,|\b \(estimated))\b", re.sub(r"<[^>]*>", " ", text))
    assert not unmarked
    assert {t.get_text().split("\n")[0] for t in drawn[0].axes[0].get_xticklabels()} == {
        "I (estimated from ITA)",
        "V (estimated from ITA)",
    }
    by_level = summary(gather(CELLS, METRICS, "ita_type"), 1)["accuracy"]["i-resnet18-real"]["test"]
    assert {"ita1", "ita5"} <= {*by_level} <= {"all", "ita1", "ita5"}


def test_other_targets_than_the_minoritys_are_said():
    study = dataclasses.replace(STUDY, minority=("3", "4"))
    assert beyond(study, {"other": ("1", "4"), "own": ("3", "4")}) == ["other: skin type I"]
