"""Whether today's code would make the shipped models: ``python -m benchmarks.provenance [MODEL...]``.

Each model's provenance.json holds the digests of the code that shapes its weights. This names the models whose code
has changed since, and the files. ``--prove`` tries whether the change changes a bit: it runs the model's stage for a
few steps of a small set-up, with the code of an earlier commit and with today's, and compares the weights after every
step, in 32 bits, and the files. Where all are equal, today's digests are written into provenance.json, with what was
checked. The commit is the one that provenance.json names, best the one whose code made the weights, or ``--against``.
Such a proof holds for the kind of processor that it ran on. Where bits differ, the model must be trained again.

./run python -m benchmarks.provenance --prove
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_steps.checkpoints.provenance import PROVENANCE, weights_digest
from pipeline_steps.configuration.comments import written
from pipeline_steps.configuration.overlay import merged
from pipeline_steps.items.closure import code_digests
from pipeline_steps.stage.params import PARAMS_FILE, SHIPPED_FILE, read_yaml

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "models/base"
STAGES = {
    "phantom-sd": "train_base",
    "phantom-sd-inpaint": "train_inpaint",
    "phantom-flux": "train_flux",
    "phantom-captioner": "train_captioner",
    "phantom-features": "train_features",
}
DERIVED = ("phantom-sd-inpaint", "phantom-flux")
# What is small in a short training; networks keep their shapes. One thread: two wait for each other on a busy machine.
_FEW = {"steps": 6, "warmup_steps": 2, "ema_decay": 0.9}
_SMALL = {"threads": 1, "images": 48, "batch_size": 4}
_ROUND = {**_FEW, "batch_size": 4, "learning_rate": 0.001, "weight_decay": 0.01, "max_grad_norm": 1.0}
SHORT: dict[str, dict[str, Any]] = {
    "base_training": {
        "threads": 1,
        "images": 48,
        "autoencoder_training": {**_FEW, "batch_size": 4},
        "denoiser_rounds": [{**_ROUND, "emphasis": {}}, {**_ROUND, "emphasis": {"star": 3.0}}],
    },
    "inpaint_training": {**_SMALL, **_FEW},
    "flux_training": {**_SMALL, **_FEW},
    "captioner_training": {**_SMALL, "optimisation": _FEW},
    "feature_training": {**_SMALL, "steps": 6},
}
# Runs a stage and writes the number of optimiser steps, and the digest of the weights after each of them.
_WATCH = """
import atexit, hashlib, runpy, sys
from torch.optim.optimizer import register_optimizer_step_post_hook

weights, steps = hashlib.sha256(), []

def look(optimiser, *_):
    steps.append(1)
    for group in optimiser.param_groups:
        for tensor in group["params"]:
            weights.update(tensor.detach().cpu().contiguous().numpy().tobytes())

register_optimizer_step_post_hook(look)
atexit.register(lambda: open("watched", "w").write(f"{len(steps)} {weights.hexdigest()}"))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def changed(model: str) -> list[str]:
    """Files whose digests in the model's provenance are not today's, or that are in one of both alone."""
    recorded, today = _read(model)["code"], code_digests(_module(model))
    return sorted({file for file, _ in recorded.items() ^ today.items()})


def short_training(code: Path, model: str) -> tuple[str, str]:
    """Train ``model`` shortly with the code in ``code``: steps and digest of their weights; digest of what is written.

    Raises:
        CalledProcessError: the stage failed.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "pipeline_steps").symlink_to(code / "pipeline_steps")
        file = SHIPPED_FILE if (code / SHIPPED_FILE).exists() else PARAMS_FILE  # where older code has them
        (place / file).parent.mkdir(exist_ok=True)
        (place / file).write_text(written(merged(read_yaml(code / file), SHORT), {}), "utf-8")
        base = ["--base", str(MODELS / "phantom-sd")] if model in DERIVED else []
        command = [sys.executable, "-c", _WATCH, _module(model), *base, "--out", "out"]
        subprocess.run(command, cwd=place, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        return (place / "watched").read_text("utf-8"), weights_digest(place / "out")


def prove(model: str, commit: str) -> bool:
    """Whether ``commit`` and today's code train ``model`` alike; if so, its provenance names today's code."""
    with _code_of(commit) as code:
        then, now = short_training(code, model), short_training(ROOT, model)
    if then != now:
        return False
    made = _read(model)
    made["code"] = code_digests(_module(model))
    if model in DERIVED:
        made["base"] = weights_digest(MODELS / "phantom-sd")
    made["same_bits_as"] = commit
    made["checked"] = f"{now[0].split()[0]} steps of benchmarks/provenance.py: equal weights after each, equal files"
    (MODELS / model / PROVENANCE).write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    return True


@contextmanager
def _code_of(commit: str) -> Iterator[Path]:
    """A folder with what a stage needs of ``commit``."""
    listed = subprocess.run(["git", "ls-tree", "--name-only", commit], cwd=ROOT, capture_output=True, check=False)
    there = {*listed.stdout.decode().split()} & {"pipeline_steps", str(PARAMS_FILE), str(SHIPPED_FILE.parent)}
    command = ["git", "archive", commit, *sorted(there)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"error: no code of {commit} in this clone ({done.stderr.decode().strip()}); git fetch --unshallow")
    with tempfile.TemporaryDirectory() as name, tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        files.extractall(name, filter="data")
        yield Path(name)


def _module(model: str) -> str:
    return f"pipeline_steps.{STAGES[model]}"


def _read(model: str) -> dict[str, Any]:
    return json.loads((MODELS / model / PROVENANCE).read_text("utf-8"))


def main() -> None:
    """Name what changed, or prove that it changes nothing; fails where a model's provenance is not today's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"{', '.join(STAGES)}; else all whose code changed")
    parser.add_argument("--prove", action="store_true", help="run short trainings, and write what they show")
    parser.add_argument("--against", metavar="COMMIT", help="instead of the commit that provenance.json names")
    args = parser.parse_args()
    if unknown := set(args.models) - set(STAGES):
        parser.error(f"no shipped model {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    failed = False
    for model in args.models or [m for m in STAGES if changed(m)]:
        files = changed(model)
        print(f"{model}: {', '.join(files) or 'no code'} changed since", flush=True)
        if not args.prove:
            failed |= bool(files)
            continue
        commit = args.against or _read(model).get("same_bits_as")
        if commit is None:
            sys.exit(f"error: {model}'s provenance names no commit to compare with; name one by --against")
        same = prove(model, commit)
        failed |= not same
        print(f"{model}: {'the bits of' if same else 'other bits than'} {commit}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
