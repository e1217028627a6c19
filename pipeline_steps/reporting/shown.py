"""What was measured as the page prints it: rounded, shares in percent, empty where nothing can be said."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.reporting import figures
from pipeline_steps.reporting.arms import contender, spelled
from pipeline_steps.reporting.family import Comparisons
from pipeline_steps.reporting.leaderboard import MEASURES, OF_CLASSIFIERS, Leaderboard
from pipeline_steps.reporting.measures import DISTANCES
from pipeline_steps.reporting.results import Results, untrained_twins
from pipeline_steps.reporting.study import Study

NO_SPREAD = "no spread between draws"
_DIGITS = {
    "frechet_distance": 1,
    "kernel_distance": 2,
    "precision": 2,
    "recall": 2,
}  # of measures that are no percentage


def uri(png: bytes) -> str:
    """A picture to stand in the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def number(value: Any, digits: int = 3) -> str:
    """``value`` rounded, "" where there is none."""
    return "" if value is None or pd.isna(value) else f"{value:.{digits}f}"


def percent(value: Any) -> Any:
    """A share in percent."""
    return None if value is None else value * 100


def between(low: str, high: str) -> str:
    """Two ends, "" where there are none."""
    return f"{low} to {high}" if low else ""


def tests(compared: Comparisons, words: Mapping[str, str]) -> list[dict[str, Any]]:
    """Arms against real images, in percentage points."""
    rows = []
    for t in compared.tests:
        interval = between(number(percent(t["low"]), 1), number(percent(t["high"]), 1))
        same = "no spread between images" if t["over"] == "images" else NO_SPREAD
        shown = {"mean": f"{t['mean'] * 100:+.1f}", "interval": interval or same, "p": number(t["p_holm"])}
        rows.append({**t, **shown, "partition": words[t["partition"]]})
    return rows


def floors(rows: list[dict[str, Any]], words: Mapping[str, str]) -> list[dict[str, Any]]:
    """What second seeds differ by, in percentage points."""
    return [
        row
        | {"mean": f"{row['mean'] * 100:+.1f}", "largest": number(percent(row["largest"]), 1)}
        | {"arm": spelled(row["arm"]), "repeats": spelled(row["repeats"])}
        | ({"partition": words[row["partition"]]} if "partition" in row else {})
        for row in rows
    ]


def boards(compared: Comparisons, study: Study) -> list[dict[str, Any]]:
    """The leaderboards: the minority's accuracy on each partition that has it, a scenario each."""
    return [_board(board, study) for board in compared.boards]


def _board(board: Leaderboard, study: Study) -> dict[str, Any]:
    rows = [
        row | {m: measured(row, m) for m in MEASURES} | _difference(row) | {"p": number(row["p_holm"])}
        for row in board.rows
    ]
    ranks = {contender(name): rank for name, rank in board.ranks.items()}
    return {
        "partition": study.words[board.partition],
        "scenario": board.scenario,
        "minority": study.named(study.minority),
        "images": board.images,
        "rows": rows,
        "baseline": contender(board.baseline),
        "floors": floors(board.floors, study.words),
        "blocks": board.blocks,
        "png": uri(figures.critical_difference(ranks, board.critical_difference)) if ranks else "",
    }


def _difference(row: Mapping[str, Any]) -> dict[str, str]:
    return {k: "" if pd.isna(row[k]) else f"{row[k] * 100:+.1f}" for k in ("mean", "low", "high")}


def measured(row: Mapping[str, Any], measure: str) -> dict[str, str]:
    """A measure of a leaderboard's row: its value, and beside it its interval, or the lowest and the highest draw."""
    digits = _DIGITS.get(measure, 1)

    def spell(value: Any) -> str:
        return number(value if measure in _DIGITS else percent(value), digits)

    value = spell(row.get(measure))
    if measure in OF_CLASSIFIERS:
        low, high = (spell(np.clip(row[f"{measure}_{end}"], 0, 1)) for end in ("low", "high"))
        return {"value": value, "beside": between(low, high)}
    if not value or row[f"{measure}_draws"] < 2:
        return {"value": value, "beside": ""}
    least, most = (row[f"{measure}_{end}"] for end in ("least", "most"))
    return {"value": value, "beside": "in all draws" if least == most else between(spell(least), spell(most))}


def learned(r: Results, cells: Mapping[str, Any], augmenters: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """Images of each fine-tuned model beside those of its base model as it came."""
    rows = {str(row["cell"]): row for row in r.images.to_dict("records")}
    made = []
    for key, twin in untrained_twins(dict(cells), augmenters).items():
        shown = {"cell": key, "twin": twin}
        for side, row in (("tuned", rows[key]), ("plain", rows[twin])):
            shown[f"{side}_distance"] = with_interval(row, "frechet_distance", number)
            shown[f"{side}_concepts"] = with_interval(row, "concepts", lambda v: number(percent(v), 1))
        made.append(shown)
    return made


def with_interval(row: Mapping[Any, Any], name: str, spell: Callable[[Any], str]) -> str:
    """A value and its interval in brackets, or why there is none."""
    value, low, high = (spell(row[k]) for k in (name, f"{name}_low", f"{name}_high"))
    if not value:
        return str(row["unavailable"])
    return f"{value} ({low} to {high})" if low else value


def images(r: Results) -> list[dict[Any, Any]]:
    """Distances of each augmenter cell's images to real ones."""
    return [
        {**{k: number(v) if isinstance(v, float) else v for k, v in row.items()}}
        | {m: _beside_interval(row, m) for m in DISTANCES}
        | {"majority": number(row["frechet_distance_of_majority_training_images"])}
        | {"concepts": with_interval(row, "concepts", lambda v: number(percent(v), 1))}
        | {"concepts_judge": number(percent(row["concepts_judge"]), 1)}
        | {k: number(percent(row[k]), 0) for k in ("tone_exact", "tone_misjudged", "tone_right_side")}
        for row in r.images.to_dict("records")
    ]


def _beside_interval(row: Mapping[Any, Any], measure: str) -> dict[str, str]:
    low, high = (number(row[f"{measure}_{end}"]) for end in ("low", "high"))
    return {"value": number(row[measure]), "beside": between(low, high)}


def segmenters(r: Results, words: Mapping[str, str]) -> list[dict[Any, Any]]:
    """Overlap of each segmenter's masks with the real ones."""
    made: list[dict[Any, Any]] = []
    for row in r.segmenters.to_dict("records") if len(r.segmenters) else []:
        shown: dict[Any, Any] = {k: number(row[k]) for k in ("dice", "iou")}
        shown["interval"] = between(number(row["low"]), number(row["high"]))
        made.append(row | shown | {"partition": words[str(row["partition"])]})
    return made
