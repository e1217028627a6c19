"""The same words for all images of a condition."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline_steps.captions.backends.backend import Backend
from pipeline_steps.parameters.captioners import CaptionerParams, Template


class TemplateParams(CaptionerParams):
    """The same words for all images of a condition, or exceptions for some of them."""

    backend: Literal["template"]
    templates: Annotated[tuple[Template, ...], Field(min_length=1)]
    condition_templates: dict[str, Template]


TEMPLATE = Backend(
    name="template",
    params=TemplateParams,
    caption="pipeline_steps.captions.template:by_template",
    uses_device=False,
)
