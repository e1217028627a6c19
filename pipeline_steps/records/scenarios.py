"""What a scenario is called in files, cells and tables, where it keeps so many training images of each condition."""

import re

_DOSE = re.compile(r"(\w+?)_(\d+)_per_condition")


def scenario_name(scenario: str, images_per_condition: int | None) -> str:
    """``iii``, or ``iii_16_per_condition``."""
    return scenario if images_per_condition is None else f"{scenario}_{images_per_condition}_per_condition"


def without_dose(name: str) -> str:
    """The scenario that ``name`` is a dose of, or that it is itself."""
    found = _DOSE.fullmatch(name)
    return found[1] if found else name
