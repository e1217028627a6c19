"""Captions from expert annotations (LesionGen)."""

from typing import Literal

from pipeline_steps.captions.backends.backend import Backend
from pipeline_steps.parameters.captioners import ComposedParams


class ConceptParams(ComposedParams):
    """LesionGen's captions from expert annotations: the manifest's ``attributes``."""

    backend: Literal["concepts"]


CONCEPTS = Backend(
    name="concepts",
    params=ConceptParams,
    caption="pipeline_steps.captions.concepts:by_concepts",
    uses_device=False,
)
