"""All that a page may speak of, read once from a finished run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_steps.measures.measure import Measure
from pipeline_steps.parameters.report import ReportParams
from pipeline_steps.records.populations import level_text, targets
from pipeline_steps.reporting.family import Comparisons, compare
from pipeline_steps.reporting.measures import named
from pipeline_steps.reporting.results import Results, gather, read_json
from pipeline_steps.reporting.study import METRICS, PREDICTIONS, Study, read_study
from pipeline_steps.stage.params import PARAMS_FILE, read_params, read_yaml


@dataclass(frozen=True)
class Findings:
    """``r``: what the stages measured; ``study``: of whom and how; ``cells``: what ``cells.yaml`` holds.

    ``compared``: every test between arms, one family. ``augmenters``: all settings, with levels as ``target_levels``.
    """

    r: Results
    study: Study
    cells: Mapping[str, Any]
    compared: Comparisons
    augmenters: dict[str, dict[str, Any]]
    params: ReportParams

    @property
    def features(self) -> list[str]:
        """The networks in whose features distances were measured."""
        return sorted(set(self.r.images["features"])) if len(self.r.images) else []

    def named(self, measure: Measure[Any]) -> str:
        """A measure under the name that these features allow."""
        return named(measure, self.features)

    def title(self, measure: Measure[Any]) -> str:
        """The same with its unit and its better direction."""
        return measure.title(self.named(measure))


def read_findings() -> Findings:
    """From the folder of a finished run."""
    cells = read_yaml(Path("cells.yaml"))["cells"]
    study = read_study(read_json(METRICS / "split.json"), cells)
    return findings(gather(cells, METRICS, study.column), study, cells)


def findings(r: Results, study: Study, cells: Mapping[str, Any]) -> Findings:
    """Of results, with what params.yaml adds."""
    params = read_yaml(PARAMS_FILE)
    minority = study.minority
    settings = {
        name: a | {"target_levels": tuple(map(level_text, targets(a["target_levels"], minority)))}
        for name, a in params["augmenters"].items()
    }
    return Findings(r, study, cells, compare(r, study, PREDICTIONS), settings, read_params(ReportParams, "report"))
