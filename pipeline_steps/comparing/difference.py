"""One difference between two experiments, and what both must agree in to be compared."""

from dataclasses import dataclass
from functools import cached_property
from math import isnan

from pipeline_steps.comparing.experiments import Experiment
from pipeline_steps.comparing.values import Contender
from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.records.populations import SKIN_TYPE, level_text, within

SAME = "the same outputs"
OVER_IMAGES = "paired over test images"
OVER_DRAWS = "paired over draws"
BY_INTERVALS = "by both intervals"
MEANS = "means alone"
IMAGES = "generated images"  # where others have a partition


@dataclass(frozen=True)
class Difference:
    """``quantity`` of ``contender`` in both experiments, and the 95 % interval of ``b`` less ``a``.

    ``quantity``: a level, ``all``, or a measure's name. ``how``: what the interval rests on. ``doubt``: why nothing is
    said in spite of it.
    """

    contender: Contender
    partition: str
    quantity: str
    a: float
    b: float
    low: float
    high: float
    how: str
    doubt: str = ""

    @property
    def mean(self) -> float:
        """``b`` less ``a``."""
        return self.b - self.a

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not isnan(self.low)

    @property
    def verdict(self) -> str:
        """``same``, ``higher``, ``lower``, or ``unresolved`` where the interval holds 0 or there is none."""
        if self.how == SAME:
            return "same"
        if self.doubt:
            return "unresolved"
        return "higher" if self.low > 0 else "lower" if self.high < 0 else "unresolved"


@dataclass(frozen=True)
class Pair:
    """Two experiments, and what both must agree in to be compared by level."""

    a: Experiment
    b: Experiment

    @cached_property
    def evaluation(self) -> EvaluationParams:
        """How ``b`` was evaluated."""
        return EvaluationParams(**self.b.params["evaluation"])

    @cached_property
    def column(self) -> str:
        """What divides people; empty where the two divide them otherwise."""
        found = {one.params.get("population", {}).get("column", SKIN_TYPE) for one in (self.a, self.b)}
        return str(found.pop()) if len(found) == 1 else ""

    @cached_property
    def minority(self) -> tuple[str, ...]:
        """Levels of the minority, as ``b`` has it."""
        population = self.b.params.get("population", {})
        return within(self.column, tuple(map(level_text, population.get("minority", ())))) if self.column else ()
