"""Mixed precision: 32 bits change nothing; 16 bits are PyTorch's autocast, in training and in whatever is predicted."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from small_models import supervision

from pipeline_steps.evaluate import predictions
from pipeline_steps.parameters.arms import ArmParams
from pipeline_steps.training.precision import computing_in, recorded, recorded_precision
from pipeline_steps.training.supervised import snapshot
from pipeline_steps.vision.classification import fit_classifier, predict
from pipeline_steps.vision.networks import new_network
from pipeline_steps.vision.segmentation import fit_segmenter, load_segmenter, new_segmenter, segment
from pipeline_steps.vision.views import IMAGENET, Labelled, pixels

PLAIN = ArmParams(images="real", copies=1, seed=0, policy="none", mix="none", mix_alpha=1.0)
IMAGES = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), np.uint8)
LABELS, MASKS = np.arange(12) % 3, IMAGES[..., 0] > 127


def _network():
    return new_network("resnet_small", 3, 32, pretrained=False, seed=0)


def _trained(precision):
    network, data = _network(), Labelled(IMAGES, LABELS)
    how = supervision(updates=4, validate_every=2, precision=precision)
    return network, fit_classifier(network, data, data, how, "c", norm=IMAGENET, classic=PLAIN)


@torch.no_grad()
def _explicit(network, images, dtype=torch.bfloat16):
    """What a network that never was asked to compute in 16 bits gives where it is told to at the call."""
    with torch.autocast("cpu", dtype):
        found = network.eval()(pixels(images, torch.device("cpu"), IMAGENET))
    return found.float()


def test_32_bits_leave_a_network_as_it_is():
    network = _network()
    assert computing_in(network, "float32") is network
    assert "forward" not in vars(network)
    assert recorded("float32") == {}, "no config of a network in 32 bits changes"
    assert recorded_precision({}) == "float32"
    assert recorded_precision(recorded("bfloat16")) == "bfloat16"


def test_16_bits_train_weights_of_32_bits_under_the_same_names():
    (plain, one), (_, other) = _trained("float32"), _trained("bfloat16")
    assert one.state.keys() == other.state.keys() == plain.state_dict().keys()
    assert all(t.dtype == one.state[name].dtype for name, t in other.state.items())
    assert [row[1] for row in other.history] == pytest.approx([row[1] for row in one.history], rel=0.05)
    assert [row[1] for row in other.history] != [row[1] for row in one.history], "it did compute in 16 bits"


def test_predictions_are_those_of_an_explicit_autocast():
    network, fitted = _trained("bfloat16")
    network.load_state_dict(fitted.state)
    plain = _network()
    plain.load_state_dict(fitted.state)
    found, batch = predict(network, IMAGES, 32, IMAGENET), np.concatenate([IMAGES, np.repeat(IMAGES[-1:], 52, 0)])
    assert np.array_equal(found, _explicit(plain, batch).softmax(1).numpy()[:12])
    assert not np.array_equal(found, predict(plain, IMAGES, 32, IMAGENET))


def test_losses_and_scores_are_computed_of_32_bits():
    network, seen = computing_in(_network(), "bfloat16"), []
    network.fc.register_forward_hook(lambda _m, _given, out: seen.append(out.dtype))
    assert network(torch.zeros(2, 3, 32, 32)).dtype == torch.float32
    assert seen == [torch.bfloat16], "the network itself computed in 16"


def test_a_network_is_asked_once_however_often_it_is_said():
    network = computing_in(_network(), "bfloat16")
    once = network.forward
    assert computing_in(network, "bfloat16").forward is once


def test_evaluation_computes_in_the_recorded_precision(tmp_path):
    network = _network()
    save_file(snapshot(network), tmp_path / "model.safetensors")
    config = {"architecture": "resnet_small", "classes": ["a", "b", "c"], "input_size": 32, "mean": IMAGENET.mean}
    config |= {"std": IMAGENET.std}
    tests = pd.DataFrame({"image_id": [str(i) for i in range(64)]})
    images = np.concatenate([IMAGES] * 6)[:64]
    dataset = SimpleNamespace(images=lambda _ids: images)
    found = {p: predictions(dataset, tests, tmp_path, {**config, **recorded(p)}) for p in ("float32", "bfloat16")}
    columns = ["p:a", "p:b", "p:c"]
    assert np.array_equal(found["bfloat16"][columns].to_numpy(), _explicit(network, images).softmax(1).numpy())
    assert np.array_equal(found["float32"][columns].to_numpy(), predict(network, images, 32, IMAGENET))


def test_segmenters_train_and_are_loaded_in_16_bits(tmp_path):
    network, data = new_segmenter("resnet18", 3, pretrained=False, seed=0), Labelled(IMAGES, MASKS)
    how = supervision(precision="bfloat16")
    fitted = fit_segmenter(network, data, data, how, "s", norm=IMAGENET)
    save_file(fitted.state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"encoder": "resnet18", "depth": 3, **recorded("bfloat16")}))
    network.load_state_dict(fitted.state)
    again, plain = load_segmenter(tmp_path), new_segmenter("resnet18", 3, pretrained=False, seed=0)
    plain.load_state_dict(fitted.state)
    masks = [np.concatenate([m for _, m in segment(n, IMAGES, 32, IMAGENET)]) for n in (network, again)]
    assert np.array_equal(*masks)
    x = pixels(IMAGES, torch.device("cpu"), IMAGENET)
    with torch.no_grad():
        assert torch.equal(again.eval()(x), _explicit(plain, IMAGES))
