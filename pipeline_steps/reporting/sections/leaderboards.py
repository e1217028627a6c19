"""The methods head to head, a table a scenario and partition."""

from collections.abc import Mapping
from typing import Any

from pipeline_steps.reporting import figures
from pipeline_steps.reporting.arms import arm_name, contender_name
from pipeline_steps.reporting.blocks import Block, Figure, Heading, Measured, Table, Words, columns
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.formatting import between, leaderboard_cell, number, points, row_name
from pipeline_steps.reporting.leaderboard import Leaderboard
from pipeline_steps.reporting.measures import BOARD_CLASSIFIERS, BOARD_IMAGES, MINORITY

_OTHERS = tuple(m for m in BOARD_CLASSIFIERS if m is not MINORITY)
_RANKED = (
    "Mean ranks over {blocks} blocks of architecture and draw, of those that took part in all (Nemenyi test at 5 %); "
    "the blocks share images, so this is indicative only."
)


def leaderboards(f: Findings) -> list[Block]:
    """Every board that the run has."""
    return [block for board in f.compared.boards for block in _board(f, board)]


def _board(f: Findings, board: Leaderboard) -> list[Block]:
    minority = f.study.named(f.study.minority)
    floors = [Words(f"Noise floor: {floor(row)}, on {minority}.") for row in board.floors]
    title = Heading(f"Leaderboard: {f.study.words[board.partition]}, scenario {board.scenario}")
    return [title, _table(f, board, minority), *floors, _reading(f, board), *ranks(board)]


def _table(f: Findings, board: Leaderboard, minority: str) -> Table:
    head = [
        "contender",
        f"{MINORITY.title(minority)} (n {board.images})",
        f"against {contender_name(board.baseline)}, points",
        "p (Holm)",
        "draws",
        *(m.title() for m in _OTHERS),
        *(f.title(m) for m in BOARD_IMAGES),
    ]
    rows = [
        [
            row_name(row),
            leaderboard_cell(row, MINORITY),
            difference(row),
            number(row["p_holm"]),
            row["draws"],
            *(leaderboard_cell(row, m) for m in (*_OTHERS, *BOARD_IMAGES)),
        ]
        for row in board.rows
    ]
    return Table(columns(*head), rows)


def _reading(f: Findings, board: Leaderboard) -> Words:
    baseline, minimum = contender_name(board.baseline), f.study.evaluation.minimum_level_images
    return Words(
        f"Means over architectures and draws of this scenario; ↑: more is better, ↓: less. {baseline} is the best "
        "baseline by the minority's accuracy on these very images, which flatters it: a gain over it is understated, a "
        "loss overstated. Other baselines are not tested against it. Small, of classifiers: 95 % intervals over draws "
        f"(see below), none of one draw or where draws do not differ; of images ({f.named(BOARD_IMAGES[0])} to "
        f"{BOARD_IMAGES[-1].heading}): the lowest and the highest draw. Worst level and gap are blank where fewer than "
        f"two levels have {minimum} images."
    )


def difference(row: Mapping[str, Any]) -> Measured:
    """To the best baseline, in points, with its interval."""
    return Measured(points(row["mean"]), between(points(row["low"]), points(row["high"])))


def floor(row: Mapping[str, Any]) -> str:
    """What a second seed differs by, as half a sentence."""
    return (
        f"{arm_name(row['arm'])} differs from {arm_name(row['repeats'])} by {points(row['mean'])} points in the mean, "
        f"by {number(row['largest'] * 100, 1)} at most (over {row['blocks']} pairs of architecture and draw)"
    )


def ranks(board: Leaderboard) -> list[Figure]:
    """Mean ranks and what tells them apart; nothing where there is one block alone."""
    if not board.ranks:
        return []
    named = {contender_name(name): rank for name, rank in board.ranks.items()}
    png = figures.critical_difference(named, board.critical_difference)
    title = "critical difference of mean ranks"
    return [Figure("ranks", title, _RANKED.format(blocks=board.blocks), png)]
