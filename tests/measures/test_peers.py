"""The pieces of the comparison with the peers."""

import numpy as np
import pytest

from benchmarks.peers.classifier_input import compare_input
from benchmarks.peers.compared import Compared, in_turn
from benchmarks.peers.frechet import compare_frechet
from benchmarks.peers.page import page
from benchmarks.peers.scripts import ends_of_steps, load_script
from benchmarks.peers.trainings import per_step

SCRIPT = """
import sys
from tqdm.auto import tqdm
def main():
    assert sys.argv[1:] == ["--steps=3"], sys.argv
    bar = tqdm(range(3), desc="Steps")
    for _ in range(3):
        bar.update(1)
        bar.set_postfix(loss=1.0)
"""


def test_a_script_is_run_where_it_lies_and_tells_when_its_steps_end(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    ends = ends_of_steps(load_script(tmp_path, "script.py", tiny=False), {"steps": 3})
    assert len(ends) == 3
    assert np.all(np.diff(ends) >= 0)


def test_first_steps_do_not_count():
    assert per_step([0.0, 100.0, 101.0, 102.0, 103.0], 1) == 1.0


def test_both_sides_take_turns_and_each_is_first():
    calls = []
    in_turn(2, lambda: calls.append("ours") or 1.0, lambda: calls.append("theirs") or 2.0)
    assert calls == ["ours", "theirs", "theirs", "ours"]


def test_ratios_are_of_repeats_and_a_missed_goal_stands_on_the_page():
    row = Compared("work", "peer", "a step", [1.0, 2.0, 1.0], [2.0, 2.0, 3.0], 2.5)
    assert row.ratios == [2.0, 1.0, 3.0]
    assert not row.reached
    assert "2 (1 to 3; 3 repeats)" in row.row()
    assert "not reached: work (peer)" in page([row], ["said"], ("machine", "versions", "nothing"))


def test_frechet_distances_are_the_same():
    _, said = compare_frechet(8, 16, 1)
    values = [float(part.split()[-1]) for part in said.split(":")[1].split(". ")[0].rstrip(".").split(", ")]
    assert values[1:] == pytest.approx([values[0]] * (len(values) - 1), rel=1e-4)


def test_classifier_input_is_timed_on_both_sides(tmp_path):
    rows, said = compare_input((32,), 32, 1, tmp_path)
    assert [row.peer for row in rows] == ["torchvision, JPEG", "torchvision, PNG"]
    assert "photographs of 32 px" in said
