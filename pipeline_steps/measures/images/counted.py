"""Measures of generated images that are read from what stages counted: of the report's table of images, row by row.

``score_fid`` measures condition accuracy, and ``screen`` counts what it rejects.
"""

from collections.abc import Callable

import pandas as pd

from pipeline_steps.measures.measure import Measure

Counted = Measure[Callable[[pd.DataFrame], pd.Series]]

CONCEPTS = Counted(
    name="condition_accuracy",
    heading="condition accuracy",
    of=lambda images: images["condition_accuracy"],
    bounds=(0, 1),
    better="higher",
    leaderboard=True,
)
MEMORISED = Counted(
    name="memorised",
    heading="memorised",
    of=lambda images: images["rejected_memorised"] / images["generated"],
    bounds=(0, 1),
    better="lower",
    leaderboard=True,
)
REJECTED = Counted(
    name="rejected",
    heading="rejected",
    of=lambda images: 1 - images["accepted"] / images["generated"],
    bounds=(0, 1),
    better="lower",
    leaderboard=True,
)
