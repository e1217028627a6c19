"""Train the shipped captioner: a small vision-language model that reports on images of skin in JSON.

Reads: nothing but the phantom renderer. Writes: a folder in transformers' layout, with its provenance. It sees what the
base model saw: generic marks in all combinations, on all six skin types, and none of the conditions.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pipeline_steps.captions.llava import (
    ReportData,
    byte_tokenizer,
    draw_reports,
    new_captioner,
    prompt_of,
    reply_ids,
    reply_tokens,
    report_loss,
)
from pipeline_steps.captions.schema import instruction
from pipeline_steps.checkpoints.provenance import write_curves, write_provenance
from pipeline_steps.datasets.generic import image_seed
from pipeline_steps.datasets.phantom.render import render_marks
from pipeline_steps.datasets.reports import marks_report
from pipeline_steps.items.closure import code_digests
from pipeline_steps.parameters.captioner_training import CaptionerTraining
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.progress import Track
from pipeline_steps.stage.run import run, run_key
from pipeline_steps.stage.threads import use_threads
from pipeline_steps.training.batches import BatchLoss
from pipeline_steps.training.checkpoints import Checkpointing, work_folder
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import Optimisation


def marked_images(count: int, size: int, seed: int) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Images on all skin types in turn, (count, size, size, 3), and what a report says of each."""
    images = np.empty((count, size, size, 3), np.uint8)
    reports = []
    for i in Track(range(count), "render", count):
        skin_type = FITZPATRICK_TYPES[i % 6]
        drawn = render_marks(skin_type, image_seed(seed, i), size)
        images[i] = drawn.image
        reports.append(marks_report(drawn.marks, skin_type))
    return images, reports


def train(p: CaptionerTraining, out: Path, work: Path) -> None:
    """Train into folder ``out``; ``work`` holds checkpoints, so that an interrupted run goes on."""
    use_threads(p.threads)
    images, reports = marked_images(p.images, p.vision["image_size"], p.optimisation.seed)
    asked = instruction("marks", "", reveal_condition=False)
    tokenizer = byte_tokenizer([*map(json.dumps, reports), *[asked] * 100], p.vocabulary)
    model, processor = new_captioner(tokenizer, p.vision, p.text, p.optimisation.seed)
    prompt, _ = prompt_of(processor, images[0], asked)
    model.train().to("cuda" if torch.cuda.is_available() else "cpu")
    data = ReportData(images, prompt, reply_ids(tokenizer, reports))
    loss = BatchLoss(partial(draw_reports, data, p.batch_size), partial(report_loss, model, prompt), reply_tokens)
    how, save = Optimisation(**p.optimisation.model_dump()), Checkpointing(work / "captioner.pt", 250)
    losses = optimise(list(model.parameters()), loss, how, "captioner", checkpointing=save)
    model.eval().to("cpu", torch.float16).save_pretrained(out)
    processor.save_pretrained(out)
    write_curves(out, captioner=losses)


def main() -> None:
    """Command line: where to write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/train_captioner"))
    args = parser.parse_args()
    code = code_digests("pipeline_steps.train_captioner")
    params = read_params(CaptionerTraining, "captioner_training")
    key = run_key(json.dumps(code), params.model_dump_json())
    with work_folder(args.work, key) as work, atomic_folder(args.out) as out:
        train(params, out, work)
        write_provenance(out, code, params)


if __name__ == "__main__":
    run(main)
