"""A training task is a file and a row: nothing else is touched."""

import json
import sys

from conftest import repro, run
from ruamel.yaml import YAML
from safetensors.torch import load_file

TASK = '''
"""Images whose lesions are hidden: the denoiser learns the skin around them; and a layer of its own."""

from dataclasses import replace

import pandas as pd
from torch import Tensor, nn

from pipeline_steps.diffusion.denoising import DenoisingTask, adapter_loss
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.tasks.task import Examples, TrainingContext, TrainingTask
from pipeline_steps.items.store import default_store
from pipeline_steps.parameters.adapters import AdapterParams
from pipeline_steps.records.image_files import ImageRows
from pipeline_steps.training.batches import BatchLoss


def _data(
    m: TrainingContext, _params: AdapterParams, rows: pd.DataFrame, images: ImageRows, plain: DenoisingTask
) -> DenoisingTask:
    hidden = images[:]
    hidden[m.dataset.masks_of(rows["image_id"])[:]] = 127
    return replace(plain, latents=encode_images(m.f, m.c, hidden, default_store())[0])


def _extend(denoising: DenoisingTask) -> list[Tensor]:
    return [denoising.c.denoiser.conv_out.bias]


def _loss(m: TrainingContext, params: AdapterParams, examples: Examples) -> BatchLoss:
    print(f"toy: {len(examples.captions)} images of task {params.task}")
    return adapter_loss(examples.denoising, examples.captions, examples.embeds)


TASK = TrainingTask[AdapterParams](_data, _loss, _extend)
'''

ROW = '    "toy": TaskRow(AdapterParams, "pipeline_steps.diffusion.tasks.toy:TASK"),'


def test_a_file_and_a_row_are_a_task(toy_copy):
    (toy_copy / "pipeline_steps/diffusion/tasks/toy.py").write_text(TASK.lstrip(), "utf-8")
    table = toy_copy / "pipeline_steps/parameters/adapters.py"
    lines = table.read_text("utf-8").splitlines()
    row = next(k for k, line in enumerate(lines) if line.startswith('    "inpainting": '))
    table.write_text("\n".join([*lines[:row], ROW, *lines[row:]]) + "\n", "utf-8")

    yaml, file = YAML(), toy_copy / "params.yaml"
    params = yaml.load(file.read_text("utf-8"))
    tuned = params["adapters"]["lora_tokens"]
    assert tuned["task"] == "image"
    del tuned["prior"]
    tuned["task"] = "toi"
    yaml.dump(params, file)
    check = [sys.executable, "-m", "pipeline_steps.configure", "--check"]
    refused = run(*check, cwd=toy_copy, check=False)
    assert "adapters.lora_tokens.task" in refused.stderr
    assert "did you mean toy?" in refused.stderr
    tuned["task"] = "toy"
    yaml.dump(params, file)
    run(*check, cwd=toy_copy)

    (stage,) = [s for s in yaml.load((toy_copy / "dvc.lock").read_text("utf-8"))["stages"] if s.startswith("finetune@")]
    before = toy_copy / "models/adapters" / stage.partition("@")[2]
    image = load_file(before / "pytorch_lora_weights.safetensors")
    assert stage in repro(toy_copy, stage)
    code = json.loads((toy_copy / "data/code/finetune.json").read_text("utf-8"))
    assert "pipeline_steps/diffusion/tasks/toy.py" in code, "a changed task is trained again"
    toy = load_file(before / "pytorch_lora_weights.safetensors")
    assert image.keys() == toy.keys()
    assert any((image[name] != toy[name]).any() for name in image)
    assert "| task | toy |" in (before / "README.md").read_text("utf-8")
