"""Concepts that experts have annotated: SkinCon's columns, a checklist, the phantom's own attributes."""

import json

from pipeline_steps.captions.backends.concepts import ConceptParams
from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.captions.compose import compose_all
from pipeline_steps.items.store import CacheStats


def by_concepts(params: ConceptParams, study: Study) -> Captioned:
    """Captions from annotations; an image without any gets ``plain`` and is counted."""
    concepts = [json.loads(text or "{}") for text in study.rows["attributes"]]
    return compose_all(params, study, concepts, CacheStats(0, len(concepts)))
