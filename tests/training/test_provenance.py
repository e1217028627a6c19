"""The proof that a change of code changes no bit of a shipped model can fail."""

import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from benchmarks.provenance import short_training


def _code(to: Path, old: str, new: str) -> Path:
    """Today's code with one change in the stage of the feature network."""
    shutil.copytree(ROOT / "pipeline_steps", to / "pipeline_steps", ignore=shutil.ignore_patterns("__pycache__"))
    (to / "config").mkdir()
    shutil.copy(ROOT / "config/shipped.yaml", to / "config")
    stage = to / "pipeline_steps/train_features.py"
    text = stage.read_text("utf-8")
    assert text.count(old) == 1
    stage.write_text(text.replace(old, new), "utf-8")
    return to


@pytest.mark.slow
def test_a_short_training_tells_a_changed_bit_from_a_changed_word(tmp_path):
    today = short_training(ROOT, "phantom-features")
    reworded = short_training(_code(tmp_path / "word", "the schedule is one cycle", "one cycle"), "phantom-features")
    assert reworded == today
    (weights, _) = short_training(_code(tmp_path / "bit", "weight_decay=0.01", "weight_decay=0.02"), "phantom-features")
    assert today[0].startswith("6 ")
    assert weights != today[0], "a difference that 16-bit files need not show is seen in the weights of each step"
