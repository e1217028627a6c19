"""Train the shipped feature network: which marks, colours and skin types an image of generic marks shows.

Reads: nothing but the phantom renderer. Writes: a small ResNet as safetensors, with its provenance. Its features serve
near-duplicate search and Fréchet distances at small scale; its heads judge the base model's samples. It never sees a
condition.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.checkpoints.provenance import write_provenance
from pipeline_steps.datasets.phantom.marks import COLOURS, KINDS
from pipeline_steps.datasets.phantom.render import render_marks
from pipeline_steps.features.extractors import MarkNetwork
from pipeline_steps.items.closure import code_digests
from pipeline_steps.parameters.feature_training import FeatureTraining
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.progress import Track
from pipeline_steps.stage.run import parser, run


def corpus(images: int, size: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Images (N, 3, H, W) uint8 and targets: kinds (N, K) and colours (N, C) multi-hot, skin (N,)."""
    pixels = torch.empty((images, 3, size, size), dtype=torch.uint8)
    kinds, colours = torch.zeros(images, len(KINDS)), torch.zeros(images, len(COLOURS))
    skin = torch.arange(images) % 6
    kind_names, colour_names = list(KINDS), list(COLOURS)
    for i in Track(range(images), "render", images):
        drawn = render_marks(FITZPATRICK_TYPES[i % 6], seed * 10_000_000 + i, size)
        pixels[i] = torch.from_numpy(drawn.image).permute(2, 0, 1)
        for mark in drawn.marks:
            kinds[i, kind_names.index(mark.kind)] = 1
            colours[i, colour_names.index(mark.colour)] = 1
    return pixels, {"kind": kinds, "colour": colours, "skin": skin}


def train(params: FeatureTraining) -> MarkNetwork:
    """Train on generic phantoms; the schedule is one cycle."""
    torch.manual_seed(params.seed)
    network = MarkNetwork(len(KINDS), len(COLOURS)).to(memory_format=torch.channels_last)
    pixels, targets = corpus(params.images, params.image_size, params.seed)
    optimiser = torch.optim.AdamW(network.parameters(), params.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, params.learning_rate, total_steps=params.steps)
    rng = torch.Generator().manual_seed(params.seed)
    for _ in Track(range(params.steps), "feature network", params.steps):
        rows = torch.randint(len(pixels), (params.batch_size,), generator=rng)
        x = pixels[rows].float() / 127.5 - 1
        gain = 1 + 0.06 * torch.randn(len(x), 3, 1, 1, generator=rng)
        seen = ((x + 1) * gain - 1).clamp(-1, 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(seen)
        loss = F.cross_entropy(logits["skin"].float(), targets["skin"][rows])
        for head in ("kind", "colour"):
            loss = loss + 3 * F.binary_cross_entropy_with_logits(logits[head].float(), targets[head][rows])
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return network.eval()


@torch.no_grad()
def assess(network: MarkNetwork, params: FeatureTraining) -> dict[str, float]:
    """Accuracy on fresh phantoms: exact skin type, and how often a drawn kind or colour ranks first (or in two)."""
    pixels, targets = corpus(1200, params.image_size, params.seed + 1)
    logits = {k: [] for k in targets}  # type: ignore[var-annotated]
    for start in range(0, len(pixels), 100):
        for head, values in network(pixels[start : start + 100].float() / 127.5 - 1).items():
            logits[head].append(values)
    scores = {"skin": float((torch.cat(logits["skin"]).argmax(1) == targets["skin"]).float().mean())}
    for head in ("kind", "colour"):
        one = targets[head].sum(1) == 1
        best = torch.cat(logits[head]).argmax(1)[one]
        scores[head] = float(np.mean(targets[head][one][torch.arange(int(one.sum())), best].numpy()))
    return scores


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--out").parse_args()
    code, params = code_digests("pipeline_steps.train_features"), read_params(FeatureTraining, "feature_training")
    torch.set_num_threads(params.threads)
    network = train(params)
    scores = assess(network, params)
    with atomic_folder(args.out) as out:
        _save(network, params, scores, out)
        write_provenance(out, code, params)


def _save(network: MarkNetwork, params: FeatureTraining, scores: dict[str, float], out: Path) -> None:
    state = network.state_dict().items()
    weights = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in state}
    save_file(weights, out / "model.safetensors")
    config = {
        "kinds": list(KINDS),
        "colours": list(COLOURS),
        "image_size": params.image_size,
        "accuracy_on_fresh_phantoms": {k: round(v, 4) for k, v in scores.items()},
    }
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")


if __name__ == "__main__":
    run(main)
