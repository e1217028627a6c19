"""The parameters of each backend of a captioner; what does the work is in ``pipeline_steps.caption``."""

from pipeline_steps.captions.captioner import CaptionerParams
from pipeline_steps.captions.endpoint import EndpointParams
from pipeline_steps.captions.expert import ConceptParams
from pipeline_steps.captions.local import LocalParams
from pipeline_steps.captions.template import TemplateParams

PARAMS: dict[str, type[CaptionerParams]] = {
    "template": TemplateParams,
    "concepts": ConceptParams,
    "local": LocalParams,
    "endpoint": EndpointParams,
}
