"""Feature extractors: local weights, checked; errors that say what to do."""

import numpy as np
import pytest

from pipeline_steps.features.extractors import extractor
from pipeline_steps.records.errors import DataError


def test_clip_features_come_from_a_local_folder(tmp_path):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        projection_dim=8,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path)
    e = extractor("clip", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 255, (3, 48, 48, 3), dtype=np.uint8)
    features = e.extract(images)
    assert features.shape == (3, 8)
    assert not np.allclose(features[0], features[1])


@pytest.mark.parametrize(("name", "match"), [("inception", "does not exist"), ("clip", "no CLIP"), ("x", "none of")])
def test_missing_extractors_say_what_to_do(tmp_path, name, match):
    with pytest.raises(DataError, match=match):
        extractor(name, str(tmp_path / "nothing"))


def test_a_wrong_inception_file_is_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"anything")
    with pytest.raises(DataError, match="SHA-256 differs"):
        extractor("inception", str(tmp_path / "w.pt"))
