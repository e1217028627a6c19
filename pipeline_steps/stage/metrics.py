"""Write metrics: sorted keys and rounded floats, so that equal results are equal bytes."""

import json
import math
from pathlib import Path
from typing import Any

from pipeline_steps.stage.outputs import atomic_file


def write_metrics(path: Path, values: dict[str, Any]) -> None:
    """Write ``values`` as JSON; NaN becomes null, floats keep six digits."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(_plain(values), indent=2, ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return None if not math.isfinite(value) else round(value, 6)
    return value
