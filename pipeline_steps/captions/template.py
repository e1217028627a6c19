"""The caption template of Wang et al. 2024 (public code): a token for the condition, a phrase for the skin tone.

Captions keep ``{token}`` and ``{level}`` open: training fills in the image's own level, generation the one that is
wanted. The phrases of skin types I, II, V and VI are the authors'; those of III and IV are ours.
"""

import hashlib
from dataclasses import dataclass

from pipeline_steps.captions.backends.template import TemplateParams
from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.items.store import CacheStats
from pipeline_steps.parameters.captioners import LEVEL, TOKEN
from pipeline_steps.stage.errors import DataError


@dataclass(frozen=True)
class Templates:
    """One or more templates for all conditions, and exceptions by condition."""

    templates: tuple[str, ...]
    condition_templates: dict[str, str]

    def caption(self, condition: str, image_id: str) -> str:
        """The open caption of an image: its condition's template, or one of all, chosen by the image's id."""
        if condition in self.condition_templates:
            return self.condition_templates[condition]
        return self.templates[int(hashlib.sha256(image_id.encode()).hexdigest()[:8], 16) % len(self.templates)]


def check_template(text: str) -> str:
    """Return ``text`` if it names both open places.

    Raises:
        DataError: ``{token}`` or ``{level}`` is missing, or there is another brace.
    """
    rest = text.replace(TOKEN, "", 1).replace(LEVEL, "", 1)
    if TOKEN not in text or LEVEL not in text or "{" in rest or "}" in rest:
        raise DataError(f"caption template {text!r} must hold {{token}} and {{level}} once each, and no other braces")
    return text


def by_template(params: TemplateParams, study: Study) -> Captioned:
    """Captions, made anew each time: that is quicker than to keep them. A template has no short form.

    Raises:
        DataError: there is no template, or one lacks its open places.
    """
    if not params.templates:
        raise DataError("captioner has no template; give it at least one under templates")
    exceptions = {c: check_template(t) for c, t in params.condition_templates.items()}
    caption = Templates(tuple(map(check_template, params.templates)), exceptions).caption
    captions = list(map(caption, study.rows["condition"], study.rows["image_id"]))
    return Captioned(captions, captions, {}, CacheStats(0, len(captions)))
