"""What belongs to cells that left the grid: their outputs, and their entries in ``dvc.lock``."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline_steps.configuration.cells import Cells
from pipeline_steps.stage.outputs import atomic_file

LOCK = Path("dvc.lock")
_OUTPUTS = {
    "pin_model": ("models/revisions/{}.json",),
    "caption": ("data/captions/{}", "metrics/captions/{}.json"),
    "invert_tokens": ("models/tokens/{}",),
    "finetune": ("models/adapters/{}",),
    "generate": ("data/synthetic/{}",),
    "screen": ("data/screened/{}.parquet", "metrics/screen/{}.json"),
    "score_fid": ("metrics/fid/{}.json",),
    "train_classifier": ("models/classifier/{}",),
    "evaluate": ("data/predictions/{}.parquet", "metrics/classification/{}.json"),
    "train_segmenter": ("models/segmenter/{}",),
    "evaluate_segmenter": ("data/overlaps/{}.parquet", "metrics/segmentation/{}.json"),
    "score_masks": ("metrics/masks/{}.json",),
}
_SAME_CELLS = {"score_fid": "screen", "evaluate": "train_classifier", "evaluate_segmenter": "train_segmenter"}


def clear(cells: Cells, lock: Path = LOCK) -> list[str]:
    """Remove the outputs of stages that ``dvc.lock`` holds and ``cells`` does not; the names of those stages.

    DVC's cache keeps the outputs, and ``dvc.lock`` what they were made of: when their cells come back, so do they.
    """
    gone = [stage for stage in _stages(lock) if _has_left(stage, cells)]
    for stage in gone:
        verb, key = stage.split("@")
        for pattern in _OUTPUTS.get(verb, ()):
            path = Path(pattern.format(key))
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return gone


def prune(cells: Cells, lock: Path = LOCK) -> list[str]:
    """``clear``, and drop those stages from ``dvc.lock`` that its committed version does not hold; their names.

    Each stage that DVC runs parses and writes the whole file, so what was only tried must not stay in it for ever. What
    is committed stays: it belongs to the parameters that are committed with it.
    """
    gone = clear(cells, lock)
    committed = _stages_in(_committed(lock)) if gone else {}
    dropped = [stage for stage in gone if stage not in committed]
    if dropped:
        yaml = YAML()
        content = yaml.load(lock.read_text("utf-8"))
        for stage in dropped:
            del content["stages"][stage]
        with atomic_file(lock) as temporary, temporary.open("w", encoding="utf-8") as stream:
            yaml.dump(content, stream)
    return dropped


def _has_left(stage: str, cells: Cells) -> bool:
    verb, _, key = stage.partition("@")
    return bool(key) and key not in cells.get(_SAME_CELLS.get(verb, verb), {})


def _stages(lock: Path) -> dict[str, Any]:
    return _stages_in(lock.read_text("utf-8")) if lock.exists() else {}


def _stages_in(text: str) -> dict[str, Any]:
    try:
        content = YAML(typ="safe").load(text)
    except YAMLError:
        return {}  # half of one, which a killed dvc left: DVC says so, and the flow mends it
    return dict(content.get("stages") or {}) if isinstance(content, dict) else {}


def _committed(lock: Path) -> str:
    """``dvc.lock`` at HEAD; nothing where there is no git."""
    ask = ["git", "show", f"HEAD:./{lock.name}"]
    try:
        shown = subprocess.run(ask, cwd=lock.resolve().parent, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return ""
    return shown.stdout if shown.returncode == 0 else ""
