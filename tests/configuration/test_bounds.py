"""Every number has bounds and every word a vocabulary: those of the libraries and of the base models."""

import copy
import json
import re

import pytest
from conftest import ROOT
from spoilt import DEFAULT, mistakes_in

from pipeline_steps.configuration import vocabulary
from pipeline_steps.configuration.check import checked_cells
from pipeline_steps.configuration.fits import autoencoder_factor
from pipeline_steps.configuration.sections import NAMED, SECTIONS, TAGGED
from pipeline_steps.parameters.base_training import BaseParams
from pipeline_steps.parameters.captioner_training import CaptionerTraining
from pipeline_steps.parameters.feature_training import FeatureTraining
from pipeline_steps.parameters.flux_training import FluxTraining
from pipeline_steps.parameters.inpaint_training import InpaintTraining
from pipeline_steps.stage.params import SHIPPED_FILE, read_yaml

SHIPPED = {
    "base_training": BaseParams,
    "inpaint_training": InpaintTraining,
    "flux_training": FluxTraining,
    "captioner_training": CaptionerTraining,
    "feature_training": FeatureTraining,
}


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def params():
    return copy.deepcopy(DEFAULT)


def test_a_size_must_fit_every_base_model_of_the_grid_and_no_other(params):
    params["ingest"]["image_size"] = 60  # 15 latents a side: Flux packs two by two of them
    checked_cells(params)
    params["grid"]["comparison"]["augmenters"] = ["dermaflux"]
    assert "ingest.image_size is 60, no multiple of 8 as base model flux needs" in mistakes_in(params)


@pytest.mark.parametrize(("family", "sizes"), [("stable_diffusion", (504, 500)), ("flux", (1008, 1000))])
def test_a_hub_model_that_is_not_here_is_taken_to_be_like_all_of_its_family(params, family, sizes):
    params["base_models"]["sd"] = {"family": family, "location": "nobody/nothing", "revision": None, "dtype": "float32"}
    plain = "img2img_tokens_lora_untrained"
    block = params["grid"]["comparison"] | {"augmenters": [plain], "architectures": [], "arms": []}
    params["grid"] = {"b": block}
    params["augmenters"] = {plain: params["augmenters"][plain]}
    if family == "flux":
        flow = {"scheduler": "FlowMatchEulerDiscreteScheduler", "scheduler_options": {}}
        params["augmenters"][plain] |= flow
    params["ingest"]["image_size"] = sizes[0]
    checked_cells(params)
    params["ingest"]["image_size"] = sizes[1]
    assert f"ingest.image_size is {sizes[1]}, no multiple of" in mistakes_in(params)


@pytest.mark.parametrize(
    ("config", "factor"),
    [
        ({"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512]}, 8),
        ({"_class_name": "AutoencoderKL", "block_out_channels": [32, 64]}, 2),
        ({"_class_name": "AutoencoderTiny", "encoder_block_out_channels": [64] * 4}, 8),
    ],
)
def test_the_factor_is_that_of_the_autoencoder(tmp_path, config, factor):
    import diffusers
    import torch

    (tmp_path / "vae").mkdir()
    (tmp_path / "vae/config.json").write_text(json.dumps(config))
    found = autoencoder_factor({"family": "flux", "location": str(tmp_path), "revision": None})
    assert found == factor
    small = [c // 8 if c > 32 else c for c in config.get("block_out_channels", [])]
    blocks = {
        f"{way}_block_types": [f"{way.capitalize()}{kind}Block2D"] * len(small)
        for way, kind in (("down", "Encoder"), ("up", "Decoder"))
    }
    if small:
        vae = diffusers.AutoencoderKL(block_out_channels=small, norm_num_groups=8, **blocks)
        latents = vae.encode(torch.zeros(1, 3, 32, 32)).latent_dist.mean
    else:
        latents = diffusers.AutoencoderTiny().encode(torch.zeros(1, 3, 32, 32)).latents
    assert latents.shape[-1] == 32 // factor


def test_vocabularies_are_those_of_the_libraries():
    import diffusers
    import segmentation_models_pytorch as smp
    import timm

    from pipeline_steps.vision.networks import SMALL

    assert set(vocabulary.NETWORKS) == set(SMALL)
    theirs = {*timm.list_models(), *timm.list_models(pretrained=True)}
    assert [name for name in theirs if not vocabulary.is_network(name)] == []
    assert [name for name in vocabulary.networks() if not timm.is_model(name)] == []
    assert vocabulary.encoders() == set(smp.encoders.get_encoder_names())
    known = {name.name for name in diffusers.schedulers.KarrasDiffusionSchedulers}
    assert known <= set(vocabulary.schedulers("stable_diffusion"))
    for family in ("stable_diffusion", "flux"):
        assert all(hasattr(diffusers, name) for name in vocabulary.schedulers(family))


def _all_entries(params):
    """Place, model and values of each section and entry, of shipped models' training too."""
    yield from ((section, model, params[section]) for section, model in SECTIONS.items())
    yield from ((section, SHIPPED[section], node) for section, node in read_yaml(SHIPPED_FILE).items())
    for section in (*NAMED, *TAGGED):
        for name, entry in params[section].items():
            model = NAMED.get(section) or TAGGED[section][0][entry[TAGGED[section][1]]]
            if entry:
                yield f"{section}.{name}", model, entry


def test_every_number_has_bounds_and_every_word_of_a_vocabulary_is_closed(params):
    """Not all of a type is right for a parameter: -1e9 is no number of steps, and 'nonsense' no way to resize."""
    free = {"seed", "location", "revision", "model", "base_url", "key_variable", "csv", "images", "masks", "file"}
    free |= {
        "folder",
        "mask",
        "image_id",
        "condition",
        "skin_type",
        "patient_id",
        "lesion_id",
        "subfolder",
        "initializer_token",
    }
    free |= {"skincon", "prompt", "part_interval_draws", "near_duplicate_similarity"}
    free |= {"skin_assigner", "licence"}  # a name, or a column in braces
    accepted = []

    def visit(model, node, place, whole):
        for key, value in node.items():
            at = f"{place}.{key}"
            if isinstance(value, dict):
                visit(model, value, at, whole)
            elif isinstance(value, (str, int, float)) and not isinstance(value, bool) and key not in free:
                bad = "nonsense" if isinstance(value, str) else -1e9 if isinstance(value, float) else -(10**9)
                node[key] = bad
                try:
                    model.model_validate(whole)
                    accepted.append(at)
                except ValueError:
                    pass
                node[key] = value

    for section, model, entry in _all_entries(params):
        visit(model, entry, section, entry)
    references = r"\.(base|captioner|inversion|adapter|scheduler|encoder|algorithm_type)$|phrases|level_words|\.words\."
    shipped = r"_training\.(autoencoder|text_encoder|unet|scheduler|t5|transformer|vision|text)\."
    open_to_all = [at for at in accepted if not re.search(references, at) and not re.search(shipped, at)]
    assert open_to_all == []
