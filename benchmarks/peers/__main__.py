"""This project beside its peers on a CPU: docs/speed.md.

``--diffusers``: a copy of github.com/huggingface/diffusers, for its examples; nothing of it is taken over.
torch-fidelity is compared where it is installed. ``--quick`` tries everything at small sizes and writes no page.

./run python -m benchmarks.peers --diffusers ../diffusers
"""

import argparse
import logging
import os
import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.peers.compared import THREADS, Compared
from benchmarks.peers.page import page

PAGE = Path("docs/speed.md")
PEERS = ("diffusers", "torchvision", "clean-fid", "torch-fidelity", "torch", "transformers", "peft", "pillow", "scipy")
Part = Callable[[], tuple[list[Compared], str]]


def parts(diffusers: Path, work: Path, *, quick: bool) -> list[Part]:
    """What is compared, in order."""
    from benchmarks.peers.classifier_input import compare_input
    from benchmarks.peers.frechet import compare_frechet
    from benchmarks.peers.models import write_models
    from benchmarks.peers.seed_method import compare_generation
    from benchmarks.peers.trainings import Sizes, compare_trainings

    sizes = Sizes(16, 2, 4, 1, 1) if quick else Sizes(32, 4, 8, 3, 3)
    models = write_models(work / "models")
    trainings = [
        lambda kind=kind: compare_trainings(diffusers, models[kind], kind, sizes, work) for kind in ("kl", "tiny")
    ]
    return [
        lambda: compare_frechet(20 if quick else 200, 64 if quick else 2048, 1 if quick else 2),
        lambda: compare_input((64,) if quick else (224, 512), 32 if quick else 96, 1 if quick else 5, work),
        *trainings,
        lambda: compare_generation(models["tiny"], 1 if quick else 2, 2 if quick else 30, work),
    ]


def machine() -> str:
    """Processor, cores, memory, and how busy it was at the start."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, {gib:.0f} GiB; load averages before the run: {load}"


def versions() -> str:
    """The versions of those that are compared and of what they stand on."""
    found = [f"Python {platform.python_version()}"]
    for name in PEERS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def main() -> None:
    """Compare everything, write the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--diffusers", type=Path, required=True)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--beside", default="nothing that we know of", help="what else ran on the machine")
    args = arguments.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from pipeline_steps.stage.threads import use_threads

    use_threads(THREADS)
    logging.disable(logging.INFO)
    before, rows, notes = machine(), list[Compared](), list[str]()
    with tempfile.TemporaryDirectory() as work:
        os.environ["HF_DATASETS_CACHE"] = f"{work}/datasets"
        for part in parts(args.diffusers, Path(work), quick=args.quick):
            found, said = part()
            rows += found
            notes.append(said)
            for row in found:
                print(" | ".join(row.row()), flush=True)
            print(said, flush=True)
            if not args.quick:  # also of what was compared so far
                PAGE.write_text(page(rows, notes, (before, versions(), args.beside)), "utf-8")


if __name__ == "__main__":
    main()
