"""The caption template of Wang et al. 2024 (public code): a token for the condition, a phrase for the tone.

Captions keep ``{token}`` and ``{tone}`` open: training fills in the image's own type, generation another one.
The phrases of types I, II, V, VI are the authors'; III and IV are ours.
"""

import hashlib
from dataclasses import dataclass

from pipeline_steps.records.errors import DataError

TOKEN, TONE = "{token}", "{tone}"


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
        DataError: ``{token}`` or ``{tone}`` is missing, or there is another brace.
    """
    rest = text.replace(TOKEN, "", 1).replace(TONE, "", 1)
    if TOKEN not in text or TONE not in text or "{" in rest or "}" in rest:
        raise DataError(f"caption template {text!r} must hold {{token}} and {{tone}} once each, and no other braces")
    return text
