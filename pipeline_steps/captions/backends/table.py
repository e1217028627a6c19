"""All ways to caption images. A new one is a file in this folder and a row here."""

from pipeline_steps.captions.backends.concepts import CONCEPTS
from pipeline_steps.captions.backends.endpoint import ENDPOINT
from pipeline_steps.captions.backends.local import LOCAL
from pipeline_steps.captions.backends.template import TEMPLATE

_ROWS = (
    TEMPLATE,
    CONCEPTS,
    LOCAL,
    ENDPOINT,
)
BACKENDS = {backend.name: backend for backend in _ROWS}
PARAMS = {backend.name: backend.params for backend in _ROWS}
