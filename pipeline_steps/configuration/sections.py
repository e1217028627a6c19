"""Every section of params.yaml with the model that its stages read it by."""

from collections.abc import Mapping
from typing import Any

from pipeline_steps.captions.backends import table as captioners
from pipeline_steps.configuration.cells import NO_MODEL
from pipeline_steps.configuration.population import PopulationParams
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.generation.modes import table as augmenters
from pipeline_steps.parameters import adapters
from pipeline_steps.parameters.arms import ArmParams
from pipeline_steps.parameters.audit import AuditParams
from pipeline_steps.parameters.base_models import BaseModelParams
from pipeline_steps.parameters.classifier import ClassifierParams
from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.parameters.features import FeatureParams
from pipeline_steps.parameters.fid import FidParams
from pipeline_steps.parameters.grid import Block
from pipeline_steps.parameters.inversions import InversionParams
from pipeline_steps.parameters.report import ReportParams
from pipeline_steps.parameters.screen import ScreenParams
from pipeline_steps.parameters.segmenter import SegmenterParams
from pipeline_steps.parameters.split import SplitParams
from pipeline_steps.parameters.subset import SubsetParams
from pipeline_steps.stage.mistakes import did_you_mean, mistakes, none_of
from pipeline_steps.stage.params import Params
from pipeline_steps.stage.threads import Threads

SECTIONS: dict[str, type[Params]] = {
    "compute": Threads,
    "scoring": Threads,
    "ingest": IngestParams,
    "features": FeatureParams,
    "audit": AuditParams,
    "population": PopulationParams,
    "subset": SubsetParams,
    "split": SplitParams,
    "screen": ScreenParams,
    "fid": FidParams,
    "classifier": ClassifierParams,
    "segmenter": SegmenterParams,
    "evaluation": EvaluationParams,
    "report": ReportParams,
}
# Sections of named entries.
NAMED: dict[str, type[Params]] = {
    "grid": Block,
    "base_models": BaseModelParams,
    "inversions": InversionParams,
    "arms": ArmParams,
}
# Sections of named entries whose model is named by one of their parameters.
TAGGED: dict[str, tuple[Mapping[str, type[Params]], str]] = {
    "captioners": (captioners.PARAMS, "backend"),
    "adapters": (adapters.PARAMS, "task"),
    "augmenters": (augmenters.PARAMS, "mode"),
}


def section_mistakes(params: Any) -> list[str]:
    """A line for whatever in ``params`` its section's model does not know or refuses, and for what is missing."""
    known = [*SECTIONS, *NAMED, *TAGGED]
    if not isinstance(params, dict):
        return [f"it holds no sections; there should be {', '.join(known)}"]
    lines = [f"{name} is no section{did_you_mean(name, known)}" for name in params if name not in known]
    for name in known:
        if name not in params:
            lines.append(f"section {name} is missing")
        elif name in SECTIONS:
            lines += mistakes(SECTIONS[name], params[name], name)
        elif not isinstance(params[name], dict):
            lines.append(f"{name} is {params[name]!r}: it should be a section of named entries")
        else:
            for key, entry in params[name].items():
                lines += _entry_mistakes(name, key, entry)
    return lines


def _entry_mistakes(section: str, key: Any, entry: Any) -> list[str]:
    place = f"{section}.{key}"
    if not isinstance(key, str) or not key or any(c in key for c in "/\\@ .$,-"):
        return [f"{place}: {key!r} names files and cells: use letters, digits and underscores"]
    if (section, key) == ("base_models", NO_MODEL):
        return [] if entry == {} else [f"{place} stands for no model: it should be {{}}"]
    if section in NAMED:
        return mistakes(NAMED[section], entry, place)
    models, tag = TAGGED[section]
    if not isinstance(entry, dict) or tag not in entry:
        return [f"{place} lacks {tag}, one of {', '.join(models)}"]
    if entry[tag] not in list(models):
        return [none_of(f"{place}.{tag}", entry[tag], list(models))]
    return mistakes(models[entry[tag]], entry, place)
