"""A study and rows of classifiers' scores for tests of the report."""

import pandas as pd

from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.records.populations import SKIN_TYPE
from pipeline_steps.reporting.results import Results
from pipeline_steps.reporting.study import Study

EVALUATION = EvaluationParams(bootstrap_draws=300, seed=4, minimum_level_images=10)
STUDY = Study(
    column=SKIN_TYPE,
    levels=tuple("123456"),
    majority=("1", "2"),
    minority=("5", "6"),
    levelled=False,
    rendered=True,
    papers=True,
    conditions=3,
    sizes={s: {str(d): {"train": 100, "test": 25, "test_light": 0} for d in range(3)} for s in ("iii", "i")},
    baselines=frozenset({"real"}),
    model_free=frozenset(),
    floors={"real_again": "real"},
    evaluation=EVALUATION,
)


def scored(arm, draw, level="all", accuracy=0.5, n=40, **more):
    head = {"arm": arm, "augmenter": "good" if arm.endswith("syn") else "", "architecture": "a", "draw": draw}
    cell = {"scenario": "iii", "split": f"iii-{draw}", "partition": "test", "cell": f"{arm}-{draw}"}
    measured = {"accuracy": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.2}
    return {**head, **cell, "level": level, "n": n, **measured, **more}


def classifier_results(*rows):
    return Results(pd.DataFrame(rows), pd.DataFrame(), pd.DataFrame())
