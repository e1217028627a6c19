"""A classifier's predictions for the images of one test partition."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class Predictions:
    """A row an image: its condition (``truth``) and its ``level``, such as the skin type, with what was ``predicted``.

    ``probabilities``: a column a class. ``groups``: images that belong together. ``minimum``: how many images a level
    must have to be compared with others.
    """

    truth: pd.Series
    predicted: pd.Series
    probabilities: pd.DataFrame
    level: pd.Series
    groups: pd.Series
    minimum: int

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Which rows (n,) are right."""
        return np.asarray(self.predicted == self.truth, bool)

    def of_level(self, level: int) -> "Predictions":
        """The rows of one level."""
        rows = self.level == level
        return Predictions(
            self.truth[rows],
            self.predicted[rows],
            self.probabilities[rows],
            self.level[rows],
            self.groups[rows],
            self.minimum,
        )
