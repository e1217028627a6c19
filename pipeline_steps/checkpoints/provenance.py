"""What identifies a model, and how a shipped one came about: provenance.json and training.json in its folder."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from pipeline_steps.stage.params import Params

PROVENANCE, CURVES = "provenance.json", "training.json"


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a model folder's configuration and weights, not of how they came about."""
    h = hashlib.sha256()
    files = (f for f in folder.rglob("*") if f.suffix in {".json", ".safetensors", ".txt"})
    for file in sorted(f for f in files if f.name not in {PROVENANCE, CURVES}):
        h.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                h.update(block)
    return h.hexdigest()


def write_provenance(folder: Path, code: Mapping[str, str], params: Params, base: Path | None = None) -> None:
    """What made the model in ``folder``: digests of the code by file, parameters, and the model it is derived from."""
    derived = {} if base is None else {"base": weights_digest(base)}
    made = {"code": dict(code), **derived, "params": params.model_dump(mode="json")}
    (folder / PROVENANCE).write_text(json.dumps(made, indent=1) + "\n", "utf-8")


def write_curves(folder: Path, **losses: Sequence[float]) -> None:
    """The training curve of each part: mean loss of every hundred steps."""
    curves = {part: [round(fmean(of[i : i + 100]), 5) for i in range(0, len(of), 100)] for part, of in losses.items()}
    (folder / CURVES).write_text(json.dumps(curves) + "\n", "utf-8")
