"""The feature extractor that the parameters name."""

from pipeline_steps.features.extractors import Extractor, extractor
from pipeline_steps.parameters.features import FeatureParams
from pipeline_steps.stage.params import read_params


def read_extractor() -> Extractor:
    """Load the extractor of ``features`` in params.yaml."""
    params = read_params(FeatureParams, "features")
    return extractor(params.extractor, params.location)
