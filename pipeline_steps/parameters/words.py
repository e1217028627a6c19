"""What captions call the levels of a population."""

from pipeline_steps.parameters.levels import ByLevel
from pipeline_steps.parameters.part import Part

Phrases = ByLevel[str]  # keys are text, for DVC does not follow maps whose keys are numbers


class Words(Part):
    """``population.words`` in params.yaml: sets of phrases that captioners name."""

    value: dict[str, Phrases]
