"""How well the shipped base models do what they are prompted to: ``python -m benchmarks.base_model``.

Writes docs/base_model.md and its pictures: the measured ITA of generated images by prompted skin type, how often the
mark classifier finds the prompted mark and colour (beside how often it finds them in rendered images, as the judge
errs too), reconstructions, and grids to look at.
"""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.marks import COLOURS, KINDS, TONE_PHRASES, Mark
from pipeline_steps.datasets.phantom.render import render_condition, render_marks
from pipeline_steps.diffusion.conditioning import prompt_ids
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.sample import Sampling, sample
from pipeline_steps.features.extractors import load_mark_network
from pipeline_steps.pixels.ita import border_ita
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES, ITA_LOWER_BOUND, ROMAN, type_from_ita

DOCS = Path("docs")
HOW = "guidance 4, 30 steps of stochastic DPM-Solver++ (`phantom-sd`) or of Euler's method (`phantom-flux`)"
PROVENANCE = Path("models/base/phantom-sd/provenance.json")


def _sampling(scheduler: str, options: dict[str, str]) -> Sampling:
    return Sampling(
        scheduler=scheduler,
        scheduler_options=options,
        num_inference_steps=30,
        guidance_scale=4.0,
        guidance_interval=(0.0, 1.0),
        strength=1.0,
    )


STABLE_DIFFUSION = BaseModel("stable_diffusion", "models/base/phantom-sd", None, "float32")
MODELS = {
    "phantom-sd": (STABLE_DIFFUSION, _sampling("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"})),
    "phantom-flux": (
        BaseModel("flux", "models/base/phantom-flux", None, "float32"),
        _sampling("FlowMatchEulerDiscreteScheduler", {}),
    ),
}
EACH = 4
SHAPE = (8, 16, 16)  # of the shipped models' latents


def prompt(mark: Mark, skin_type: int) -> str:
    """The pipeline's own phrasing."""
    article = "some" if mark.kind.endswith("s") else "an" if mark.words()[0] in "aeiou" else "a"
    return f"An image of {article} {mark.words()} on the skin of {TONE_PHRASES[skin_type]} individual"


def generate(model: str, prompts: list[str], seed: int) -> np.ndarray:
    """Images (N, 64, 64, 3) for the prompts."""
    base, sampling = MODELS[model]
    f = family(base)
    c = f.load(base)
    out = []
    for start in range(0, len(prompts), 24):
        batch = prompts[start : start + 24]
        with torch.no_grad():
            embeds = f.embed(c, prompt_ids(c, batch)), f.embed(c, prompt_ids(c, [""] * len(batch)))
        out.append(sample(f, c, sampling, embeds, SHAPE, range(seed + start, seed + start + len(batch))))
    return np.concatenate(out)


def judged(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the kind and colour that the mark classifier ranks first."""
    network = load_mark_network(Path("models/base/phantom-features"))
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        logits = network(x)
    return logits["kind"].argmax(1).numpy(), logits["colour"].argmax(1).numpy()


def main() -> None:
    """Generate, measure, write."""
    torch.set_num_threads(2)
    colours = list(COLOURS)
    jobs = [
        (Mark(kind, colours[(i + 2 * t + k) % len(colours)], ""), t)
        for i, kind in enumerate(KINDS)
        for t in FITZPATRICK_TYPES
        for k in range(EACH)
    ]
    made = {model: generate(model, [prompt(*job) for job in jobs], 1000) for model in MODELS}
    drawn = np.stack([render_marks(t, 77_000 + n, marks=(m,)).image for n, (m, t) in enumerate(jobs)])
    found = {name: _hits(jobs, judged(images)) for name, images in {**made, "rendered": drawn}.items()}
    ita = {model: border_ita(images) for model, images in made.items()}
    types = np.array([t for _, t in jobs])
    DOCS.mkdir(exist_ok=True)
    for model, images in made.items():
        _grid(images, jobs).save(DOCS / f"base_model_{model}.png")
    _reconstructions().save(DOCS / "base_model_reconstructions.png")
    (DOCS / "base_model.md").write_text(_page(found, ita, types, jobs), "utf-8")


def _hits(jobs: list[tuple[Mark, int]], found: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    kinds = np.array([list(KINDS).index(m.kind) for m, _ in jobs])
    colours = np.array([list(COLOURS).index(m.colour) for m, _ in jobs])
    return found[0] == kinds, found[1] == colours


def _grid(images: np.ndarray, jobs: list[tuple[Mark, int]]) -> Image.Image:
    """Rows: skin types; columns: kinds of marks."""
    rows = [
        np.concatenate([images[next(i for i, (m, u) in enumerate(jobs) if m.kind == k and u == t)] for k in KINDS], 1)
        for t in FITZPATRICK_TYPES
    ]
    return _enlarged(np.concatenate(rows))


def _reconstructions() -> Image.Image:
    """Pairs of rows: rendered conditions and marks, and what the autoencoder keeps of them."""
    f = family(STABLE_DIFFUSION)
    c = f.load(STABLE_DIFFUSION)
    rows = []
    for t in (1, 3, 6):
        images = [render_condition(name, t, 77).image for name in CONDITIONS]
        batch = np.stack(images + [render_marks(t, 50 + i).image for i in range(5)])
        rows += [batch, f.decode(c, f.scale(c, f.encode(c, batch)[0]))]
    return _enlarged(np.concatenate([np.concatenate(list(r), 1) for r in rows]))


def _enlarged(sheet: np.ndarray) -> Image.Image:
    picture = Image.fromarray(sheet)
    return picture.resize((picture.width * 3 // 2, picture.height * 3 // 2), Image.Resampling.BICUBIC)


def _page(
    found: dict[str, tuple[np.ndarray, np.ndarray]], ita: dict[str, np.ndarray], types: np.ndarray, jobs: list
) -> str:
    kinds = np.array([m.kind for m, _ in jobs])
    lines = [
        "# The shipped base models, measured\n",
        f"Made by `./run python -m benchmarks.base_model`: {len(jobs)} images of each, {HOW}.\n",
        *(f"`{model}`:\n\n![samples](base_model_{model}.png)\n" for model in MODELS),
        f"Columns: {', '.join(KINDS)}. Rows: types I to VI.\n",
        "## Prompted skin type and measured ITA\n",
        "| prompted | ITA of the type's band starts at |"
        + "".join(f" {model}: median ITA | within one type |" for model in MODELS),
        "|---|---|" + "---|---|" * len(MODELS),
    ]
    for t in FITZPATRICK_TYPES:
        cells = [f"{ROMAN[t]} | {ITA_LOWER_BOUND[t]:.0f}°"]
        for model in MODELS:
            mine = ita[model][types == t]
            near = np.mean([abs(type_from_ita(float(v)) - t) <= 1 for v in mine])
            cells.append(f"{np.median(mine):.1f}° | {near:.0%}")
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "\n## Prompted mark, as the mark classifier sees it\n",
        "The judge errs too: its hits on rendered images of the same marks stand beside. Of 12 kinds and 9 colours.\n",
        f"| kind | {' | '.join(found)} |",
        "|---|" + "---|" * len(found),
    ]
    for k in KINDS:
        lines.append(f"| {k} | {' | '.join(f'{hits[kinds == k].mean():.0%}' for hits, _ in found.values())} |")
    lines.append(f"| all kinds | {' | '.join(f'{hits.mean():.0%}' for hits, _ in found.values())} |")
    lines.append(f"| all colours | {' | '.join(f'{hits.mean():.0%}' for _, hits in found.values())} |")
    lines.append("\n## What the autoencoder keeps\n\n![reconstructions](base_model_reconstructions.png)\n")
    lines.append("Pairs of rows: rendered images (seven conditions it never saw, then marks) and reconstructions.")
    if note := json.loads(PROVENANCE.read_text()).get("note"):
        lines.append(f"\n## How `phantom-sd`'s weights came about\n\n{note}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
