"""The feature extractor that the parameters name."""

from pipeline_steps.features.extractors import Extractor, extractor
from pipeline_steps.stage.params import Params, read_params


class FeatureParams(Params):
    """``features`` in params.yaml."""

    extractor: str
    location: str


def read_extractor() -> Extractor:
    """Load the extractor of ``features`` in params.yaml."""
    params = read_params(FeatureParams, "features")
    return extractor(params.extractor, params.location)
