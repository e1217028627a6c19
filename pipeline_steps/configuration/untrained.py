"""Base models as they came: where a block of the grid says ``untrained``, each of its augmenters has a counterpart.

That one has the augmenter's settings, but for what was learned. It is written out in ``params.yaml`` like any other, so
that DVC can follow it; nobody writes it in ``config/``.
"""

from collections.abc import Mapping
from typing import Any

from pipeline_steps.generation.modes.table import MODES
from pipeline_steps.parameters.grid import untrained_name


def with_counterparts(params: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """``params`` with the counterparts that its grid asks for and that it lacks, and a line where there can be none."""
    grid, augmenters, wrong = params.get("grid"), params.get("augmenters"), []
    if not isinstance(grid, dict) or not isinstance(augmenters, dict):
        return dict(params), []
    made = dict(augmenters)
    for block, entry in grid.items():
        if not isinstance(entry, dict) or entry.get("untrained") is not True:
            continue
        for name in entry.get("augmenters") or ():
            settings = augmenters.get(name)
            if isinstance(settings, dict) and "base" in settings:
                made.setdefault(untrained_name(name), _as_it_came(settings))
            elif isinstance(settings, dict):
                wrong.append(f"grid.{block}.augmenters names {name}, which has no base model, and untrained is true")
    return {**params, "augmenters": made}, wrong


def _as_it_came(settings: Mapping[str, Any]) -> dict[str, Any]:
    made = {**settings, "inversion": None, "adapter": None}
    mode = MODES.get(str(made.get("mode")))
    return dict(mode.as_it_came(made)) if mode else made
