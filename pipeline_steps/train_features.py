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

from pipeline_steps.checkpoints.provenance import write_curves, write_provenance
from pipeline_steps.datasets.phantom.marks import COLOURS, KINDS
from pipeline_steps.datasets.phantom.render import render_marks
from pipeline_steps.features.extractors import MarkNetwork
from pipeline_steps.items.closure import code_digests
from pipeline_steps.parameters.feature_training import FeatureTraining
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.progress import Track
from pipeline_steps.stage.run import parser, run, run_key
from pipeline_steps.training.batches import Batch, BatchLoss
from pipeline_steps.training.checkpoints import Buffers, Checkpointing, Randomness, work_folder
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import Optimisation


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


def train(params: FeatureTraining, work: Path) -> tuple[MarkNetwork, list[float]]:
    """Train on generic phantoms: the network, and the loss of each step; the schedule is one cycle.

    ``work`` holds the checkpoint, so that an interrupted run goes on.
    """
    torch.manual_seed(params.seed)
    network = MarkNetwork(len(KINDS), len(COLOURS)).to(memory_format=torch.channels_last)
    pixels, targets = corpus(params.images, params.image_size, params.seed)
    stream = torch.Generator().manual_seed(params.seed)  # one through all steps: so the shipped network was trained
    loss = features_loss(network, (pixels, targets), params.batch_size, stream)
    how = Optimisation(
        steps=params.steps,
        learning_rate=params.learning_rate,
        weight_decay=0.01,
        warmup_steps=0,
        schedule="one_cycle",
        max_grad_norm=0.0,
        ema_decay=0.0,
        seed=params.seed,
        fused=False,
    )
    save = Checkpointing(work / "features.pt", 250, (Buffers(network), Randomness(stream)))
    losses = optimise(list(network.parameters()), loss, how, "feature network", checkpointing=save)
    return network.eval(), losses


def features_loss(
    network: MarkNetwork, data: tuple[Tensor, dict[str, Tensor]], batch_size: int, stream: torch.Generator
) -> BatchLoss:
    """Cross-entropy of the three heads on images of random gain in each colour; marks count three times."""
    pixels, targets = data

    def draw(rng: torch.Generator) -> Batch:
        rows = torch.randint(len(pixels), (batch_size,), generator=rng)
        x = pixels[rows].float() / 127.5 - 1
        gain = 1 + 0.06 * torch.randn(len(x), 3, 1, 1, generator=rng)
        x = ((x + 1) * gain - 1).clamp(-1, 1).contiguous(memory_format=torch.channels_last)
        return {"x": x, **{head: target[rows] for head, target in targets.items()}}

    def loss(batch: Batch) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(batch["x"])
        total = F.cross_entropy(logits["skin"].float(), batch["skin"])
        for head in ("kind", "colour"):
            total = total + 3 * F.binary_cross_entropy_with_logits(logits[head].float(), batch[head])
        return total

    # Batch normalisation has the statistics of a whole batch.
    return BatchLoss(draw, loss, divisible=False, randomness=lambda _seed, _step: stream, in_turn=True)


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
    """Command line: where to write."""
    arguments = parser(__doc__, "--out")
    arguments.add_argument("--work", type=Path, default=Path("runs/train_features"))
    args = arguments.parse_args()
    code, params = code_digests("pipeline_steps.train_features"), read_params(FeatureTraining, "feature_training")
    torch.set_num_threads(params.threads)
    with work_folder(args.work, run_key(json.dumps(code), params.model_dump_json())) as work:
        network, losses = train(params, work)
        scores = assess(network, params)
        with atomic_folder(args.out) as out:
            _save(network, params, scores, out)
            write_curves(out, features=losses)
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
