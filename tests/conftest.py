"""Clones of the working tree in which whole pipelines run, and small models built from configs."""

import contextlib
import copy
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import warm
from filelock import FileLock

from pipeline_steps.configuration.comments import notes, written
from pipeline_steps.configuration.overlay import merged
from pipeline_steps.configuration.profiles import library
from pipeline_steps.stage.params import parsed

# Nothing here needs the hub; without a network, to ask it for what is missing takes most of a minute.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Two test processes share two cores: OpenMP threads of both would wait for each other in busy loops.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell's background job ignores SIGINT, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("EQUIDERM_REAL_DATA", ROOT.parent / "shared" / "data"))


# Files of whole pipelines, the longest first: begun last, one would run alone at the end.
LONG = ("test_workers.py", "test_pipeline.py", "test_methods.py", "test_server.py")

# What a machine may lack. Where EQUIDERM_STRICT_SKIPS is set, as in CI, another reason to skip a test is a failure.
EXPECTED_SKIPS = ("no CUDA GPU", "no real data", "no IPv6")


def pytest_collection_modifyitems(items):
    """Long files first; the others fill the gaps."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_sessionfinish(session):
    """Fail a strict session that skipped what it should have run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("EQUIDERM_STRICT_SKIPS") or reporter is None or hasattr(session.config, "workerinput"):
        return
    reasons = {str(report.longrepr[2]).removeprefix("Skipped: ") for report in reporter.stats.get("skipped", [])}
    if unexpected := sorted(r for r in reasons if not r.startswith(EXPECTED_SKIPS)):
        reporter.write_line(f"unexpected skips: {'; '.join(unexpected)}", red=True)
        session.exitstatus = 1


def whole(profile="default"):
    """All parameters of a profile, those that its grid does not reach, too; captioners have their words."""
    with contextlib.chdir(ROOT):
        params = copy.deepcopy(library(profile).params)
    for captioner in params["captioners"].values():
        captioner["tones"] = dict(params["population"]["words"][captioner["tones"]])
    return params


def overlaid(text, overlay):
    """The text of a parameter file with other values."""
    head = "".join(line for line in text.splitlines(keepends=True)[:1] if line.startswith("#"))
    return head + written(merged(parsed(text, Path("params.yaml")), overlay), notes(text))


def run(*command, cwd, check=True, env_extra=None, **options):
    """Run a command with this environment's Python first on the path; output as text."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CI": "true", **(env_extra or {})}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=env, check=False, **options)
    if check and done.returncode:
        raise AssertionError(f"{command} failed with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


def repro(clone: Path, *arguments: str) -> set[str]:
    """``dvc repro`` in a clone, its stages forked from a process that is warm; the names of those that ran."""
    done = run("dvc", "repro", *arguments, cwd=clone, env_extra=warm.environment())
    return set(re.findall(r"Running stage '([^']+)'", done.stdout))


def copy_tree(to: Path) -> Path:
    """The working tree (tracked and new files) as a fresh repository with one commit."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    # Forced, for the placeholders of empty folders lie where git ignores what is new.
    for args in (
        ["init", "-q"],
        ["-c", "core.compression=0", "add", "-A", "-f"],  # weights do not compress, and trying takes seconds
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"],
    ):
        run("git", *args, cwd=to)
    return to


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A clone in which the toy profile has run; read only, and one for all test processes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    clone, done = shared / "toy", shared / "toy.done"
    with FileLock(shared / "toy.lock"):
        if not done.exists():
            shutil.rmtree(clone, ignore_errors=True)
            copy_tree(clone)
            run(sys.executable, "-m", "pipeline_steps.configure", "toy", cwd=clone)
            repro(clone)
            done.touch()
    return clone


def copy_of(clone: Path, to: Path) -> Path:
    """A copy of a finished run to change; without what a DVC at work there may be writing."""
    shutil.copytree(clone, to, symlinks=True, ignore=lambda folder, _: {"tmp"} if folder.endswith(".dvc") else set())
    (to / ".dvc/tmp").mkdir()
    return to


@pytest.fixture
def toy_copy(toy, tmp_path):
    """A copy of the finished toy run to change."""
    return copy_of(toy, tmp_path / "toy")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A Prefect server for all tests of this process that need a real one."""
    from server import Server

    made = Server(tmp_path_factory.mktemp("prefect"))
    yield made
    made.stop()


@pytest.fixture
def real_data():
    """The folder of real data sets, where there is one."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}; set EQUIDERM_REAL_DATA")
    return REAL_DATA


@pytest.fixture(scope="session")
def tiny_sd(tmp_path_factory):
    """A Stable-Diffusion-shaped folder in the hub's layout: AutoencoderKL, epsilon prediction, random weights."""
    import torch
    from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from pipeline_steps.diffusion.pretrain import train_tokenizer

    torch.manual_seed(0)
    words = ["an image of psoriasis on the skin of a light-skinned individual", "a dark photo of skin"] * 20
    tokenizer = train_tokenizer(words, 700, 77)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
        sample_size=16,
    )
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
    folder = tmp_path_factory.mktemp("tiny-sd")
    StableDiffusionPipeline(
        vae, CLIPTextModel(text), tokenizer, unet, scheduler, None, None, requires_safety_checker=False
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_flux(tmp_path_factory):
    """A Flux-shaped folder in the hub's layout: AutoencoderKL with shift, CLIP and T5, guidance embedding; random."""
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel, T5EncoderModel

    from pipeline_steps.diffusion.pretrain import train_tokenizer
    from pipeline_steps.diffusion.pretrain_flux import clip_config, t5_config, unigram_tokenizer

    torch.manual_seed(0)
    words = ["an image of psoriasis on the skin of a light-skinned individual", "a dark photo of skin"] * 20
    clip, t5 = train_tokenizer(words, 700, 20), unigram_tokenizer(words, 120, 24)
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=24,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=16,
        scaling_factor=0.36,
        shift_factor=0.12,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    small = {"num_hidden_layers": 1, "num_attention_heads": 4}
    text = CLIPTextModel(clip_config(clip, {"hidden_size": 24, "intermediate_size": 37, **small}))
    text_2 = T5EncoderModel(t5_config(t5, {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}))
    folder = tmp_path_factory.mktemp("tiny-flux")
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    FluxPipeline(scheduler, vae, text, clip, text_2, t5, transformer).save_pretrained(folder)
    return folder
