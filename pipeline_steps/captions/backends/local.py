"""Captions by a vision-language model in this process."""

from typing import Literal

from pydantic import PositiveInt

from pipeline_steps.captions.backends.backend import Backend
from pipeline_steps.parameters.bounds import Dtype, NonEmpty
from pipeline_steps.parameters.captioners import ReportParams


class LocalParams(ReportParams):
    """``location``: a folder, or a hub id with its ``revision``; ``batch_size`` is a fixed shape: bits depend on it."""

    backend: Literal["local"]
    location: NonEmpty
    revision: str | None
    dtype: Dtype
    max_reply_tokens: PositiveInt
    batch_size: PositiveInt


LOCAL = Backend(
    name="local",
    params=LocalParams,
    caption="pipeline_steps.captions.local:by_local_model",
    uses_device=True,
)
