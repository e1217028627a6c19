"""What the grid reaches: the named entries that its cells use, and no other."""

from collections.abc import Mapping
from typing import Any

from pipeline_steps.configuration.cells import Cells
from pipeline_steps.configuration.sections import NAMED, TAGGED

Names = dict[str, set[str]]
_WORDS = "words"  # of ``population``: sets that captioners name


def names_reached(params: Mapping[str, Any], cells: Cells) -> Names:
    """By section, the entries that the cells of ``params`` use, and those that its grid names."""
    trained = [*cells["train_classifier"].values(), *cells["train_segmenter"].values()]
    stages = ("invert_tokens", "finetune", "generate")
    captioners = set(cells["caption"])
    words = (params["captioners"][name].get("level_words") for name in captioners)
    return {
        "captioners": captioners,
        "base_models": {cell["base"] for stage in stages for cell in cells[stage].values()},
        "inversions": {cell["inversion"] for cell in cells["invert_tokens"].values()},
        "adapters": {cell["adapter"] for cell in cells["finetune"].values()},
        "augmenters": {cell["augmenter"] for cell in cells["generate"].values()},
        "arms": {cell["arm"] for cell in trained} | _named_arms(params["grid"]),
        _WORDS: {name for name in words if isinstance(name, str)},
    }


def _named_arms(grid: Mapping[str, Any]) -> set[str]:
    return {arm for block in grid.values() for key in ("arms", "segmenters") for arm in block[key]}


def only(params: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """``params`` with those of its named entries, and sets of words, that ``names`` holds."""
    made = dict(params)
    for section in (*NAMED, *TAGGED):
        if section in names and isinstance(params.get(section), dict):
            made[section] = {k: v for k, v in params[section].items() if k in names[section]}
    population = params.get("population")
    if isinstance(population, dict) and isinstance(population.get(_WORDS), dict):
        words = {k: v for k, v in population[_WORDS].items() if k in names[_WORDS]}
        made["population"] = {**population, _WORDS: words}
    return made


def names_in(params: Mapping[str, Any]) -> Names:
    """By section, the entries that ``params`` holds, but for the grid's blocks."""
    found: Names = {}
    for section in (*NAMED, *TAGGED):
        if section != "grid":
            found[section] = set(params.get(section) or {})
    found[_WORDS] = set((params.get("population") or {}).get(_WORDS) or {})
    return found
