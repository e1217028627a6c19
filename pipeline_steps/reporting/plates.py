"""The report's figures with their words: accuracy by level, and dose-response."""

import pandas as pd

from pipeline_steps.records.populations import levels_name
from pipeline_steps.records.scenarios import without_dose
from pipeline_steps.reporting import figures
from pipeline_steps.reporting.arms import arm_name, contender_name, in_order
from pipeline_steps.reporting.blocks import Figure
from pipeline_steps.reporting.comparisons import contenders
from pipeline_steps.reporting.intervals import accuracy_points, counts
from pipeline_steps.reporting.results import Results
from pipeline_steps.reporting.study import Study, correction_share


def accuracy_plates(r: Results, study: Study) -> list[Figure]:
    """A figure for each scenario, architecture and partition."""
    made: list[Figure] = []
    if not len(r.classifiers):
        return made
    for (scenario, architecture, partition), rows in r.classifiers.groupby(["scenario", "architecture", "partition"]):
        title = f"Scenario {scenario}, {architecture}: {study.words[str(partition)]}"
        share = correction_share(study.sizes, str(scenario), str(partition), rows["draw"])
        points = accuracy_points(rows, share, study.evaluation.minimum_level_images)
        png = figures.accuracy_by_level(points, title, study.conditions, study.floors, study.names, study.noun)
        made.append(Figure(f"accuracy_{len(made)}", title, _caption(points, study), png))
    return made


def _caption(points: pd.DataFrame, study: Study) -> str:
    """How many images and draws, what the bars are, and which levels have too few images."""
    whole, by_level = points[points["level"] == "all"], points[points["level"] != "all"]
    draws = sorted(set(whole["draws"]))
    over = {"test images (whole groups resampled; one draw)": 1 in draws, "draws (corrected)": max(draws) > 1}
    images = counts([whole["fewest"].min(), whole["most"].max()])
    bars = ", or ".join(words for words, true in over.items() if true)
    lines = [
        f"{images} images, {counts(draws)} draw(s); bars: 95 % over {bars}, none where nothing can be said.",
        f"Grey line: guessing each of the {study.conditions} conditions equally often.",
    ]
    if few := {*by_level.loc[by_level["few"], "level"]}:
        minimum = study.evaluation.minimum_level_images
        named = levels_name(study.column, few)
        lines.append(f"Hollow: fewer than {minimum} images ({named}); no worst {study.noun} or gap comes from them.")
    if present := [arm_name(arm) for arm in in_order(points["arm"]) if arm in study.floors]:
        lines.append(f"Dotted: {', '.join(present)}, the noise floor: what differs by less may be the seed alone.")
    return " ".join(lines)


def doses(r: Results, study: Study, partition: str) -> dict[str, pd.DataFrame]:
    """By scenario of which several doses are in the grid: arm, dose, draw and measures, a row a classifier."""
    found = contenders(r, partition, study.minority_levels)
    tables = [
        t.reset_index().assign(contender=contender_name(name), floor=name in study.floors) for name, t in found.items()
    ]
    rows = pd.concat(tables) if tables else pd.DataFrame(columns=["scenario"])
    made = {}
    for scenario in sorted({without_dose(s) for s in rows["scenario"] if s != without_dose(s)}):
        mine = rows[rows["scenario"].map(without_dose) == scenario]
        trained = [study.sizes[s][str(d)]["train"] for s, d in zip(mine["scenario"], mine["draw"], strict=True)]
        made[scenario] = mine.assign(dose=[round(n / study.conditions) for n in trained])
    return made


def dose_plates(r: Results, study: Study) -> list[Figure]:
    """Dose-response, where several doses of a scenario are in the grid."""
    made: list[Figure] = []
    for partition in ("holdout", "test"):
        for scenario, rows in doses(r, study, partition).items():
            title = f"Dose-response, scenario {scenario}: {study.words[partition]}"
            title += f", {study.named(study.minority)}" if partition == "holdout" else ""
            caption = (
                f"{counts(rows['minority_images'])} images, {rows['draw'].nunique()} draw(s). Lines: mean over "
                "architectures and draws, no interval; dots: single ones."
            )
            caption += " Dotted: the noise floor, real images under another seed." if rows["floor"].any() else ""
            made.append(Figure(f"doses_{len(made)}", title, caption, figures.dose_response(rows, title)))
    return made
