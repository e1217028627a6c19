"""All comparisons of the report, and one family of tests over them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_steps.reporting.comparisons import contenders, floor_differences, paired_tests
from pipeline_steps.reporting.leaderboard import Leaderboard, leaderboard
from pipeline_steps.reporting.results import Results
from pipeline_steps.reporting.study import PARTITIONS, Study
from pipeline_steps.statistics.draws import holm


@dataclass(frozen=True)
class Comparisons:
    """``tests``: arms against real images; ``boards``: contenders against the best baseline; ``floors``: second seeds.

    ``family``: how many tests there are in all of these, which each ``p_holm`` counts.
    """

    tests: list[dict[str, Any]]
    boards: list[Leaderboard]
    floors: list[dict[str, Any]]
    family: int


def compare(r: Results, study: Study, predictions: Path) -> Comparisons:
    """Every comparison that the report prints, the leaderboards' holdouts first."""
    scenarios = sorted(set(r.classifiers["scenario"])) if len(r.classifiers) else []
    tests = [t for partition in PARTITIONS for t in paired_tests(r, partition, study, predictions)]
    found = [leaderboard(r, partition, s, study) for partition in ("holdout", "test") for s in scenarios]
    floors = [
        {**row, "partition": partition}
        for partition in PARTITIONS
        for row in floor_differences(contenders(r, partition, study.minority_levels), study.floors, "accuracy")
    ]
    return as_one_family(tests, [b for b in found if b is not None], floors)


def as_one_family(tests: list[dict[str, Any]], boards: list[Leaderboard], floors: list[dict[str, Any]]) -> Comparisons:
    """Add ``p_holm`` to every row: Holm's adjustment over all tests of all tables, partitions and scenarios.

    A row without p is no test and does not count: a baseline, one draw, draws without spread.
    """
    p = [row["p"] for row in (*tests, *(row for board in boards for row in board.rows))]
    adjusted = iter(holm(p))
    tests = [{**row, "p_holm": next(adjusted)} for row in tests]
    boards = [replace(board, rows=[{**row, "p_holm": next(adjusted)} for row in board.rows]) for board in boards]
    return Comparisons(tests, boards, floors, int(np.isfinite(p).sum()))
