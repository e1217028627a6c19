"""How classifiers are trained."""

from pipeline_steps.parameters.supervision import Supervision


class ClassifierParams(Supervision):
    """``classifier`` in params.yaml."""

    pretrained: bool
