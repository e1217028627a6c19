"""The whole pipeline at toy scale: what runs again after which change."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import warm
from conftest import ROOT, copy_tree, repro, run

from pipeline_steps.generation.jobs import Inputs, aimed, plan_jobs
from pipeline_steps.items.store import ItemStore
from pipeline_steps.stage.params import read_tagged


def test_a_second_run_runs_nothing(toy):
    assert repro(toy) == set()
    changed = {line.split()[-1] for line in run("git", "status", "--porcelain", cwd=toy).stdout.splitlines()}
    compared = {file for file in changed if file.startswith("metrics/compared/")}
    assert changed - compared == {"cells.yaml", "dvc.lock", "metrics/summary.json", "params.yaml"}


@pytest.mark.slow
def test_two_clones_give_equal_digests_by_dvc_and_by_the_flow(toy, tmp_path):
    other = copy_tree(tmp_path / "other")
    run(sys.executable, "-m", "pipeline_steps.configure", "toy", cwd=other)
    run(sys.executable, "-m", "flows.augment", cwd=other, env_extra={"PREFECT_HOME": str(tmp_path / "prefect")})
    first, second = ((clone / "dvc.lock").read_text() for clone in (toy, other))
    assert first == second


def test_a_stage_leaves_quietly_and_its_last_words_are_heard(toy_copy):
    """A stage that is done ends at once, without taking all apart; what it said to a pipe must not be lost."""
    forced = ("dvc", "repro", "--force", "--single-item", "generate@majority_to_minority-iii-0")
    done = run(*forced, cwd=toy_copy, env_extra=warm.environment())
    assert re.search(r"^images: \d+ computed, \d+ reused$", done.stdout, re.MULTILINE)
    assert "leaked" not in done.stdout + done.stderr


def test_touching_and_rewriting_a_file_runs_nothing(toy_copy):
    for file in (toy_copy / "pipeline_steps").rglob("*.py"):
        os.utime(file)
    (toy_copy / "data/subset.parquet").touch()
    assert repro(toy_copy) == set()


@pytest.mark.slow
def test_guidance_changes_generation_and_what_follows(toy_copy):
    params = toy_copy / "params.yaml"
    text = params.read_text()
    start = text.index("  majority_to_minority:", text.index("augmenters:\n  majority"))
    changed = text[:start] + text[start:].replace("guidance_scale: 2.0", "guidance_scale: 3.0", 1)
    params.write_text(changed)
    ran = repro(toy_copy)
    cell = "majority_to_minority-iii-0"
    assert {f"generate@{cell}", f"screen@{cell}", f"score_fid@{cell}", "report"} <= ran
    assert "train_classifier@syn-majority_to_minority-resnet_small-iii-0" in ran
    stages = {name.split("@")[0] for name in ran}
    assert not stages & {"ingest", "audit", "select_subset", "split", "caption", "invert_tokens", "finetune"}
    assert "train_classifier@real-resnet_small-iii-0" not in ran


@pytest.mark.slow
def test_one_conditions_template_changes_captions_and_adapters_not_tokens(toy_copy):
    params = toy_copy / "params.yaml"
    new = "condition_templates: {psoriasis: 'A scaly {token} on the skin of {level} individual'}"
    params.write_text(params.read_text().replace("condition_templates: {}", new))
    ran = repro(toy_copy, "finetune")
    assert ran == {"check_params", "caption@template", "finetune@lora_tokens-iii-0"}
    captions = pd.read_parquet(toy_copy / "data/captions/template/captions.parquet")
    subset = pd.read_parquet(toy_copy / "data/subset.parquet")
    scaly = captions.merge(subset[["image_id", "condition"]], on="image_id").query("caption.str.contains('scaly')")
    assert set(scaly["condition"]) == {"psoriasis"}
    log = [json.loads(line) for line in (toy_copy / "runs/stages.jsonl").read_text().splitlines()]
    assert log[-1]["stage"] == "finetune"


@pytest.mark.slow
def test_ten_more_images_cost_ten_latents_and_features(tmp_path, tiny_sd):
    import numpy as np

    from pipeline_steps.diffusion.families import family
    from pipeline_steps.diffusion.hub import BaseModel
    from pipeline_steps.diffusion.latents import encode_images
    from pipeline_steps.features.extractors import cached_features, extractor

    store = ItemStore(tmp_path)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 16, 16, 3), dtype=np.uint8)
    base = BaseModel("stable_diffusion", str(tiny_sd), None, "float32")
    f = family(base)
    c = f.load(base)
    e = extractor("shipped", str(ROOT / "models/base/phantom-features"))
    for n, expected in ((30, 30), (40, 10), (40, 0)):
        assert encode_images(f, c, images[:n], store)[1].computed == expected
        assert cached_features(e, images[:n], store)[1].computed == expected
    edited = images.copy()
    edited[3, 0, 0] ^= 1
    assert encode_images(f, c, edited, store)[1].computed == 1
    assert encode_images(f, c, images[::-1].copy(), store)[1].computed == 0


def test_four_more_sources_of_three_images_cost_twelve(tmp_path, toy, monkeypatch):
    from pipeline_steps import generate

    monkeypatch.chdir(toy)
    monkeypatch.setenv("EQUIDERM_ITEMS", str(tmp_path / "items"))
    read = read_tagged(generate.PARAMS, "augmenters.majority_to_minority", "mode")
    params = aimed(read, ("5", "6")).model_copy(update={"images_per_source": 3, "max_sources": 3})
    inputs = Inputs(
        Path("data/dataset"),
        Path("data/splits/iii-0.parquet"),
        Path("data/captions/template"),
        Path("models/tokens/tokens-iii-0"),
        Path("models/adapters/lora_tokens-iii-0"),
    )
    assert generate.generate(params, inputs, tmp_path / "a").computed == 9
    more = params.model_copy(update={"max_sources": 7})
    assert generate.generate(more, inputs, tmp_path / "b").computed == 12
    first, second = (tmp_path / d / "folliculitis" for d in ("a", "b"))
    for image in first.iterdir():
        assert image.read_bytes() == (second / image.name).read_bytes()


def test_a_renamed_source_keeps_its_image(tmp_path, toy, monkeypatch):
    from pipeline_steps import generate
    from pipeline_steps.records.partitions import read_partition

    monkeypatch.chdir(toy)
    params = aimed(read_tagged(generate.PARAMS, "augmenters.majority_to_minority", "mode"), ("5", "6"))
    rows = read_partition(Path("data/splits/iii-0.parquet"), "train")
    renamed = rows.assign(image_id="renamed-" + rows["image_id"])
    jobs, others = (plan_jobs(r, params) for r in (rows, renamed))
    assert [(j.seed, j.target_level) for j in jobs] == [(j.seed, j.target_level) for j in others]
    assert len({j.seed for j in jobs}) == len(jobs)


@pytest.mark.slow
def test_a_hub_layout_base_and_an_adapter_for_each_condition(toy_copy, tiny_sd):
    from diffusers import StableDiffusionPipeline
    from ruamel.yaml import YAML

    shutil.copytree(tiny_sd, toy_copy / "models/base/tiny")
    yaml = YAML()
    params = yaml.load(toy_copy / "params.yaml")
    params["base_models"]["sd"]["location"] = "models/base/tiny"
    params["adapters"]["lora_tokens"]["joint"] = False
    params["adapters"]["lora_tokens"]["training"].update(snr_gamma=5.0, ema_decay=0.5)
    yaml.dump(params, toy_copy / "params.yaml")
    run(sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=toy_copy)
    assert "ingest" not in repro(toy_copy, "generate")
    adapters = toy_copy / "models/adapters/lora_tokens-iii-0"
    assert len(list(adapters.glob("*/pytorch_lora_weights.safetensors"))) == 7
    assert "validation_loss" in (adapters / "psoriasis/history.csv").read_text()
    pipe = StableDiffusionPipeline.from_pretrained(toy_copy / "models/base/tiny", safety_checker=None)
    pipe.load_lora_weights(adapters / "psoriasis")
    made = pd.read_csv(toy_copy / "data/synthetic/majority_to_minority-iii-0/metadata.csv")
    assert len(made) == 14
    from PIL import Image

    folder = toy_copy / "data/synthetic/majority_to_minority-iii-0"
    adapter_of = {
        c: Image.open(folder / f).info["adapter"] for c, f in zip(made["condition"], made["file_name"], strict=True)
    }
    assert len(set(adapter_of.values())) == 7


@pytest.mark.slow
def test_the_flow_runs_stages_and_fails_with_them(toy_copy, tmp_path):
    elsewhere = [p for p in os.environ["PATH"].split(":") if p != str(Path(sys.executable).parent)]
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "PATH": ":".join(elsewhere)}

    def flow(*args):
        command = [sys.executable, "-m", "flows.augment", *args]
        return subprocess.run(command, cwd=toy_copy, env=environment, capture_output=True, text=True, check=False)

    (toy_copy / ".dvc/tmp/rwlock").write_text("")  # as a dvc leaves it that is killed while it writes
    fine = flow("--target", "split")
    assert fine.returncode == 0, fine.stderr
    needed = {"digest_code", "check_params", "train_features", "ingest", "audit", "select_subset", "split"}
    assert f"0 run, {len(needed)} unchanged" in fine.stdout
    params = toy_copy / "params.yaml"
    params.write_text(params.read_text().replace("flexible_per_condition: 2", "flexible_per_condition: 400"))
    broken = flow("--target", "caption", "--target", "split")
    assert broken.returncode != 0
    assert "lower split.flexible_per_condition" in broken.stderr.splitlines()[-1]
    assert re.search(r"split +failed", broken.stdout)
