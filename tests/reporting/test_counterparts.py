"""A fine-tuned model stands beside its base model as it came, used in the same way."""

from pipeline_steps.reporting.results import base_model_counterparts


def _cell(augmenter, base="sd", tokens="models/none", adapter="models/none", split="iii-0"):
    return {"augmenter": augmenter, "base": base, "tokens": tokens, "adapter": adapter, "split": split}


CELLS = {
    "tuned": _cell("tuned", adapter="models/adapters/a"),
    "words": _cell("words", tokens="models/tokens/t"),
    "pairs": _cell("pairs", adapter="models/adapters/p"),
    "concepts": _cell("concepts", adapter="models/adapters/c"),
    "other": _cell("tuned", adapter="models/adapters/a", split="ii-0"),
    "flux": _cell("flux", base="flux", adapter="models/adapters/f"),
    "colour": _cell("colour", base="none"),
    "plain_light": _cell("plain_light"),
    "plain_text": _cell("plain_text"),
    "plain_concepts": _cell("plain_concepts"),
    "plain_image": _cell("plain_image"),
    "unseen": _cell("unseen", base="flux"),
    "around": _cell("around", adapter="models/adapters/r"),
    "within": _cell("within", adapter="models/adapters/r"),
    "plain_around": _cell("plain_around"),
    "plain_within": _cell("plain_within"),
    "light": _cell("light", adapter="models/adapters/a"),
}
MODES = {
    "tuned": "img2img",
    "words": "txt2img",
    "pairs": "image_and_mask",
    "flux": "txt2img",
    "colour": "tone",
    "plain_text": "txt2img",
    "plain_image": "img2img",
    "unseen": "txt2img",
}


def _augmenters():
    found = {name: {"mode": mode, "captioner": "template"} for name, mode in MODES.items()}
    found["concepts"] = found["plain_concepts"] = {"mode": "txt2img", "captioner": "concepts"}
    for name in ("around", "within"):
        found[name] = found[f"plain_{name}"] = {"mode": "inpaint", "passes": [{"region": name}]}
    found = {name: {"target_levels": [5, 6], **settings} for name, settings in found.items()}
    light = {"mode": "img2img", "captioner": "template", "target_levels": [1, 2]}
    return found | {"plain_light": light, "light": light}


def test_a_fine_tuned_model_is_compared_with_its_base_as_it_came():
    cells = {"generate": CELLS, "screen": {key: {} for key in CELLS if key != "unseen"}}
    assert base_model_counterparts(cells, _augmenters()) == {
        "tuned": "plain_image",
        "words": "plain_text",
        "pairs": "plain_text",
        "concepts": "plain_concepts",
        "around": "plain_around",
        "within": "plain_within",
        "light": "plain_light",
    }
