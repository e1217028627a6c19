"""How segmenters are trained."""

from typing import Annotated

from pydantic import Field

from pipeline_steps.parameters.supervision import Supervision


class SegmenterParams(Supervision):
    """``segmenter`` in params.yaml: a U-Net (Ronneberger et al. 2015) on ``depth`` levels of a named encoder."""

    encoder: str
    depth: Annotated[int, Field(ge=3, le=5)]
    pretrained: bool
