"""Feature extractors: local weights, checked; errors that say what to do."""

import json
import shutil

import numpy as np
import pytest
import torch

from pipeline_steps.features.extractors import extractor
from pipeline_steps.stage.errors import DataError


@pytest.fixture
def clip(tmp_path):
    """A folder with a CLIP of random weights, and a function that writes its normalisation."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    network = CLIPVisionModelWithProjection(CLIPVisionConfig(**shape, image_size=32, projection_dim=8)).eval()
    network.save_pretrained(tmp_path)

    def normalised(mean, std):
        said = {"image_mean": [mean] * 3, "image_std": [std] * 3}
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
        return tmp_path, network

    return normalised


def test_clip_features_come_from_a_local_folder(clip):
    folder, _ = clip(0.5, 0.25)
    images = np.random.default_rng(0).integers(0, 255, (3, 48, 48, 3), dtype=np.uint8)
    features = extractor("clip", str(folder)).extract(images)
    assert features.shape == (3, 8)
    assert not np.allclose(features[0], features[1])


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.5), (0.46, 0.27)])
def test_a_clip_sees_images_by_its_own_normalisation(clip, mean, std):
    folder, network = clip(mean, std)
    image = np.random.default_rng(0).integers(0, 255, (1, 32, 32, 3), dtype=np.uint8)
    pixels = (torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255 - mean) / std
    with torch.no_grad():
        expected = network(pixels).image_embeds.numpy()
    assert extractor("clip", str(folder)).extract(image) == pytest.approx(expected, abs=1e-5)


def test_a_clip_that_says_nothing_of_its_normalisation_is_refused(clip):
    folder, _ = clip(0.5, 0.5)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(DataError, match="image_mean"):
        extractor("clip", str(folder))


def test_normalisation_is_part_of_what_features_are_stored_by(clip, tmp_path_factory):
    other = tmp_path_factory.mktemp("clip") / "other"
    shutil.copytree(clip(0.5, 0.5)[0], other)
    one, two = extractor("clip", str(clip(0.5, 0.25)[0])), extractor("clip", str(other))
    assert one.weights != two.weights


@pytest.mark.parametrize(("name", "match"), [("inception", "does not exist"), ("clip", "no CLIP"), ("x", "none of")])
def test_missing_extractors_say_what_to_do(tmp_path, name, match):
    with pytest.raises(DataError, match=match):
        extractor(name, str(tmp_path / "nothing"))


def test_a_wrong_inception_file_is_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"anything")
    with pytest.raises(DataError, match="SHA-256 differs"):
        extractor("inception", str(tmp_path / "w.pt"))
