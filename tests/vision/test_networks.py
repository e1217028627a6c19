"""Networks by name: each reads images of the wanted size, normalised as it was pretrained."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import segmentation_models_pytorch as smp
import torch
from conftest import whole
from data_sets import write_data_set
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file

from pipeline_steps import train_classifier, train_segmenter
from pipeline_steps.evaluate import predictions
from pipeline_steps.stage.errors import DataError
from pipeline_steps.training.supervised import snapshot
from pipeline_steps.vision.networks import SMALL, network_normalisation, new_network
from pipeline_steps.vision.segmentation import encoder_normalisation, new_segmenter

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))  # of openai/CLIP's preprocessing


def _answer(name, size):
    """The shape of what a fresh network says of an image of this size, or how it dies."""
    network = new_network(name, 7, size, pretrained=False, seed=0).eval()
    try:
        with torch.no_grad():
            return tuple(network(torch.zeros(1, 3, size, size)).shape)
    except (AssertionError, RuntimeError) as error:
        return str(error)


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_keep_imagenets_normalisation(name):
    known = network_normalisation(new_network(name, 2, 32, pretrained=False, seed=0))
    assert (known.mean, known.std) == IMAGENET


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("resnet18", 64, IMAGENET),
        ("vit_tiny_patch16_224", 64, HALVES),  # augreg, as the paper's ViT-B/16
        ("tf_efficientnetv2_s", 64, HALVES),
        ("vit_xsmall_patch16_clip_224", 64, CLIP),
    ],
)
def test_timms_networks_have_their_own(name, size, expected):
    known = network_normalisation(new_network(name, 2, size, pretrained=False, seed=0))
    assert (known.mean, known.std) == expected


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("deit_tiny_patch16_224", 64),
        ("swin_tiny_patch4_window7_224", 64),
        ("eva02_tiny_patch14_224", 70),
        ("convnext_atto", 64),
        *(
            pytest.param(name, size, marks=pytest.mark.slow)
            for name, size in (
                ("vit_xsmall_patch16_clip_224", 64),
                ("vit_tiny_patch16_224", 96),
                ("efficientnetv2_rw_t", 64),
                ("levit_128s", 64),
            )
        ),
    ],
)
def test_an_architecture_reads_images_of_the_wanted_size(name, size):
    assert _answer(name, size) == (1, 7)


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("inception_v3", 64, "can't read images of 64 px.*set classifier.input_size, to 299"),
        ("eva02_tiny_patch14_224", 64, "not see the rim.*multiple of its patches' 14 px"),
        ("vit_small", 60, "not see the rim.*multiple of its patches' 7 px"),
    ],
)
def test_an_image_size_that_an_architecture_cannot_read_is_refused_at_once(name, size, reason):
    with pytest.raises(DataError, match=reason):
        new_network(name, 7, size, pretrained=False, seed=0)


def test_looking_for_a_size_draws_no_weights():
    import timm

    torch.manual_seed(3)
    plain = timm.create_model("resnet18", num_classes=7).state_dict()
    ours = new_network("resnet18", 7, 64, pretrained=False, seed=3).state_dict()
    assert all(torch.equal(plain[name], ours[name]) for name in plain)


def test_evaluation_normalises_as_the_trained_network_says(tmp_path):
    network = new_network("vgg_small", 2, 32, pretrained=False, seed=0).eval()
    save_file(snapshot(network), tmp_path / "model.safetensors")
    config = {"task": "classification", "architecture": "vgg_small", "classes": ["a", "b"], "input_size": 32}
    config |= {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.2]}
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    rows = pd.DataFrame({"image_id": ["x", "y", "z"]})
    dataset = write_data_set(tmp_path, rows, images)
    found = predictions(dataset, rows, tmp_path, json.loads(json.dumps(config)))
    seen = (images / 255 - config["mean"]) / config["std"]
    with torch.no_grad():
        expected = network(torch.from_numpy(seen).permute(0, 3, 1, 2).float()).softmax(1)
    assert found[["p:a", "p:b"]].to_numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_encoders_have_their_own_where_their_weights_do():
    for pretrained, expected in ((True, HALVES), (False, IMAGENET)):
        known = encoder_normalisation("tu-tf_efficientnetv2_s", pretrained=pretrained)
        assert (known.mean, known.std) == expected


def test_an_encoder_of_other_colours_is_refused(monkeypatch):
    other = {"input_space": "BGR", "input_range": [0, 255], "mean": [104, 117, 123], "std": [1, 1, 1]}
    monkeypatch.setattr(smp.encoders, "get_preprocessing_params", lambda *_args, **_kwargs: other)
    with pytest.raises(DataError, match=r"reads BGR of \[0, 255\]"):
        encoder_normalisation("resnet18", pretrained=True)


def test_an_unknown_encoder_is_refused():
    with pytest.raises(DataError, match="no encoder 'resnet9000'"):
        new_segmenter("resnet9000", 3, pretrained=False, seed=0)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A function that runs a training stage on a few images of 32 px, and returns its config and weights."""
    monkeypatch.chdir(tmp_path)
    params = whole()
    params["compute"]["threads"] = 1
    small = {"updates": 2, "batch_size": 4, "validate_every": 1, "input_size": 32}
    for section in ("classifier", "segmenter"):
        params[section] |= small
    YAML().dump(params, tmp_path / "params.yaml")
    rng, ids = np.random.default_rng(0), [f"i{n}" for n in range(12)]
    images, masks = rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8), rng.random((12, 32, 32)) < 0.5
    write_data_set(tmp_path / "dataset", pd.DataFrame({"image_id": ids}), images, masks)
    parts = ["train"] * 8 + ["validation"] * 4
    split = {"image_id": ids, "condition": list("ab") * 6, "level": "1", "partition": parts}
    pd.DataFrame(split).to_parquet(tmp_path / "iii-0.parquet")

    def train(stage, arm, *flags):
        folder = tmp_path / f"{stage.__name__}-{arm}-{'-'.join(flags)}"
        paths = {"dataset": "dataset", "split": "iii-0.parquet", "synthetic": "models/none", "screened": "models/none"}
        named = [text for flag, path in paths.items() for text in (f"--{flag}", path)]
        monkeypatch.setattr(sys, "argv", ["stage", *named, "--out", str(folder), "--arm", arm, *flags])
        stage.main()
        return json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")

    return train


def test_a_trained_network_records_its_normalisation(trained):
    config, _ = trained(train_classifier, "real", "--architecture", "test_vit")
    assert (config["mean"], config["std"]) == ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    config, _ = trained(train_segmenter, "real")
    assert (config["mean"], config["std"]) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


@pytest.mark.parametrize(
    ("stage", "flags"), [(train_classifier, ("--architecture", "resnet_small")), (train_segmenter, ())]
)
def test_real_again_is_real_with_other_weights_from_the_same_images(trained, stage, flags):
    (one, real), (other, again) = (trained(stage, arm, *flags) for arm in ("real", "real_again"))
    assert one["training_images"] == other["training_images"] == 8
    assert real.keys() == again.keys()
    assert not [k for k in real if real[k].dim() > 1 and torch.equal(real[k], again[k])]
