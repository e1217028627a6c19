"""The digest of a model is that of its weights and its configuration."""

from pipeline_steps.checkpoints.provenance import weights_digest


def test_a_models_digest_is_that_of_its_weights_and_configuration_alone(tmp_path):
    """How it came about may be told anew without making it another model: what it made before is not made again."""
    (tmp_path / "unet").mkdir()
    for name in ("config.json", "unet/model.safetensors", "unet/config.json", "provenance.json", "training.json"):
        (tmp_path / name).write_text("{}")
    before = weights_digest(tmp_path)
    for name in ("provenance.json", "training.json"):
        (tmp_path / name).write_text('{"note": "told anew"}')
        assert weights_digest(tmp_path) == before, name
    (tmp_path / "training.json").unlink()
    assert weights_digest(tmp_path) == before
    for name in ("config.json", "unet/model.safetensors", "unet/config.json"):
        (tmp_path / name).write_text('{"rank": 2}')
        assert weights_digest(tmp_path) != before, name
        (tmp_path / name).write_text("{}")
