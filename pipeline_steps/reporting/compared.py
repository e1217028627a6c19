"""The few numbers of an experiment that people compare: a file a contender, so that ``dvc metrics show`` is a table."""

from collections.abc import Sequence

from pipeline_steps.reporting.comparisons import contenders
from pipeline_steps.reporting.results import Results

PARTITIONS = ("holdout", "test")  # the first of these that there is
MEASURES = {"minority": "minority", "all": "accuracy", "worst": "worst_accuracy", "gap": "gap"}


def compared(r: Results, minority: Sequence[int]) -> dict[str, dict[str, float]]:
    """By scenario and contender: accuracy on the minority, on all, on the worst type, and the gap between types.

    Means over architectures, then over draws, on the holdout where there is one, else on the test split. Beside them
    the Fréchet distance of an augmenter's images to reference images, mean over draws.
    """
    tables = next((found for p in PARTITIONS if (found := contenders(r, p, minority))), {})
    made: dict[str, dict[str, float]] = {}
    for name, table in tables.items():
        arm, _, augmenter = name.partition(" of ")
        by_draw = table[list(MEASURES.values())].groupby(["scenario", "draw"]).mean()
        for scenario, rows in by_draw.groupby(level="scenario"):
            means = {measure: float(rows[column].mean()) for measure, column in MEASURES.items()}
            key = "-".join(part for part in (str(scenario), arm, augmenter) if part)
            made[key] = means | _distance(r, str(scenario), augmenter)
    return made


def _distance(r: Results, scenario: str, augmenter: str) -> dict[str, float]:
    if not augmenter or not len(r.images):
        return {}
    of_scenario = r.images["split"].str.rsplit("-", n=1).str[0] == scenario
    known = r.images[(r.images["augmenter"] == augmenter) & of_scenario]["frechet_distance"].astype(float).dropna()
    return {"distance": float(known.mean())} if len(known) else {}
