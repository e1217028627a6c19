"""The few numbers of an experiment that people compare: a file a contender, so that ``dvc metrics show`` is a table."""

from collections.abc import Sequence

from pipeline_steps.measures.images.table import DISTANCES
from pipeline_steps.reporting.comparisons import contenders
from pipeline_steps.reporting.measures import BOARD_CLASSIFIERS
from pipeline_steps.reporting.results import Results

PARTITIONS = ("holdout", "test")  # the first of these that there is
MEASURES = {m.compared: m.name for m in BOARD_CLASSIFIERS if m.compared}
OF_IMAGES = {m.compared: m.name for m in DISTANCES if m.compared}


def compared(r: Results, minority: Sequence[str]) -> dict[str, dict[str, float]]:
    """By scenario and contender: the measures that have a name here, such as the gap between levels.

    Means over architectures, then over draws, on the holdout where there is one, else on the test split. Beside them
    the distances of an augmenter's images to reference images, mean over draws.
    """
    tables = next((found for p in PARTITIONS if (found := contenders(r, p, minority))), {})
    made: dict[str, dict[str, float]] = {}
    for name, table in tables.items():
        arm, _, augmenter = name.partition(" of ")
        by_draw = table[list(MEASURES.values())].groupby(["scenario", "draw"]).mean()
        for scenario, rows in by_draw.groupby(level="scenario"):
            means = {measure: float(rows[column].mean()) for measure, column in MEASURES.items()}
            key = "-".join(part for part in (str(scenario), arm, augmenter) if part)
            made[key] = means | _distances(r, str(scenario), augmenter)
    return made


def _distances(r: Results, scenario: str, augmenter: str) -> dict[str, float]:
    if not augmenter or not len(r.images):
        return {}
    of_scenario = r.images["split"].str.rsplit("-", n=1).str[0] == scenario
    mine = r.images[(r.images["augmenter"] == augmenter) & of_scenario]
    known = {name: mine[column].astype(float).dropna() for name, column in OF_IMAGES.items()}
    return {name: float(values.mean()) for name, values in known.items() if len(values)}
