"""How well the shipped captioner says what an image shows: ``python -m benchmarks.captioner``; docs/captioner.md.

Two questions, each beside the majority baseline (always the answer that is most often true of those very images): what
it says of fresh generic marks, such as it learned from, entry by entry and skin type by skin type; and what it says of
the phantom's seven conditions, which it never saw, where its words and the phantom's annotations are the same ones.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline_steps.captions.backends.local import LocalParams
from pipeline_steps.captions.local import new_reporter
from pipeline_steps.captions.reports import read_report
from pipeline_steps.captions.schema import SCHEMAS, instruction
from pipeline_steps.configuration.profiles import DEFAULT, library
from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.render import render_condition, render_marks
from pipeline_steps.datasets.reports import marks_report
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES, ROMAN

DOCS = Path("docs")
PER_TYPE, PER_CONDITION = 200, 20  # images of marks on each type; of a condition on each type
SHARED = ("texture", "elevation", "arrangement", "count", "size")  # entries that the phantom's annotations have, too


@dataclass(frozen=True)
class Seen:
    """An image's skin type, what is true of it, what was said of it ({} if the reply was unusable), its condition."""

    skin_type: int
    true: dict[str, str]
    said: dict[str, str]
    condition: str = ""


def agreement(seen: Sequence[Seen], entry: str) -> float:
    """The share of images of which ``entry`` was said as it is."""
    return float(np.mean([s.said.get(entry) == s.true[entry] for s in seen]))


def baseline(seen: Sequence[Seen], entry: str) -> float:
    """The share that the most frequent true answer would get."""
    return Counter(s.true[entry] for s in seen).most_common(1)[0][1] / len(seen)


def _asked(images: list[np.ndarray]) -> list[dict[str, str]]:
    params = LocalParams.model_validate(library(DEFAULT).params["captioners"]["reports_phantom"])
    reply, text = new_reporter(params), instruction(params.schema_name, "", params.reveal_condition)
    said = []
    for start in range(0, len(images), params.batch_size):
        batch = [Image.fromarray(image) for image in images[start : start + params.batch_size]]
        said += [read_report(params, stored)[0] for stored in reply(batch, [text] * len(batch))]
    return said


def marks() -> list[Seen]:
    """Fresh marks on all types."""
    jobs = [(t, 880_000 + 10 * i + t) for i in range(PER_TYPE) for t in FITZPATRICK_TYPES]
    drawn = [render_marks(t, seed) for t, seed in jobs]
    said = _asked([d.image for d in drawn])
    return [Seen(t, marks_report(d.marks, t), words) for (t, _), d, words in zip(jobs, drawn, said, strict=True)]


def conditions() -> list[Seen]:
    """All conditions on all types."""
    jobs = [(c, t, 770_000 + i) for c in CONDITIONS for t in FITZPATRICK_TYPES for i in range(PER_CONDITION)]
    drawn = [render_condition(*job) for job in jobs]
    said = _asked([d.image for d in drawn])
    return [Seen(t, d.attributes, words, c) for (c, t, _), d, words in zip(jobs, drawn, said, strict=True)]


def table(seen: Sequence[Seen], entries: Sequence[str]) -> str:
    """Agreement and baseline by entry, of all and of each skin type."""
    kinds = [("all", list(seen)), *((ROMAN[t], [s for s in seen if s.skin_type == t]) for t in FITZPATRICK_TYPES)]
    rows = [f"| entry | {' | '.join(name for name, _ in kinds)} |", "|---|" + "---|" * len(kinds)]
    for entry in entries:
        cells = [f"{agreement(some, entry):.0%} ({baseline(some, entry):.0%})" for _, some in kinds]
        rows.append(f"| {entry} | {' | '.join(cells)} |")
    return "\n".join(rows)


def shapes(seen: Sequence[Seen]) -> str:
    """What shape is said most often of each condition."""
    rows = ["| condition | shapes said most often |", "|---|---|"]
    for condition in CONDITIONS:
        mine = [s.said.get("shape", "nothing usable") for s in seen if s.condition == condition]
        most = Counter(mine).most_common(3)
        rows.append(f"| {condition} | {', '.join(f'{shape} {n / len(mine):.0%}' for shape, n in most)} |")
    return "\n".join(rows)


def main() -> None:
    """Ask, measure, write."""
    torch.set_num_threads(2)
    known, new = marks(), conditions()
    lost = sum(not s.said for s in known + new)
    page = (
        "# The shipped captioner, measured\n\n"
        "Made by `./run python -m benchmarks.captioner`. `models/base/phantom-captioner` is a LLaVA of a few million "
        "weights (ViT encoder, Llama decoder), trained by the stage `train_captioner` on generic marks and on none of "
        "the conditions. In brackets: the majority baseline, the share that one always gets right by saying what is "
        f"most often true of those images. {lost} of {len(known) + len(new)} replies were unusable.\n\n"
        f"## Fresh marks, {PER_TYPE} images on each skin type\n\n"
        "Agreement is of whole entries: of two marks, both must be named, in order. Within one skin type the tone is "
        "always the same, so there the baseline knows it.\n\n"
        f"{table(known, list(SCHEMAS['marks']))}\n\n"
        f"## The seven conditions, which it never saw, {len(new)} images\n\n"
        "Only entries whose words the phantom's own annotations share; some of their words (`plaque`, `few`) it never "
        "learned and cannot say.\n\n"
        f"{table(new, SHARED)}\n\n{shapes(new)}\n"
    )
    (DOCS / "captioner.md").write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
