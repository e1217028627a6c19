"""Figures that Wang et al. 2024 (arXiv 2406.18375) report, in percent: to stand beside ours, never to be targets.

Most accuracies of their Table 2 can't be a mean of five k/56 values, so they show directions.
"""

from pipeline_steps.records.populations import SKIN_TYPE

_DATA = ("fitzpatrick17k", "phantom")  # adapters: its own data set, and the phantom of its Table 1
_SKIN = (("1", "2"), ("5", "6"))  # the majority's types, the minority's
_CONDITIONS = {
    "basal cell carcinoma",
    "folliculitis",
    "nematode infection",
    "neutrophilic dermatoses",
    "prurigo nodularis",
    "psoriasis",
    "squamous cell carcinoma",
}

# scenario: {architecture family: (real, syn, real+syn)}; Table 2, accuracy.
TABLE_2 = {
    "i": {"vgg": (70.24, 75.00, 77.98), "resnet": (68.45, 69.05, 71.36), "vit": (70.38, 74.19, 78.65)},
    "ii": {"vgg": (58.79, 62.86, 63.66), "resnet": (50.31, 56.36, 61.33), "vit": (62.03, 68.83, 71.20)},
    "iii": {"vgg": (55.58, 57.62, 58.08), "resnet": (49.42, 53.47, 56.50), "vit": (57.66, 58.94, 60.96)},
}

# augmenter: (light, dark); ablation with VGG-16 on synthetic images alone, scenario i.
ABLATION = {
    "txt2img_tokens_lora_untrained": (18.80, 21.22),
    "txt2img_tokens": (35.36, 44.64),
    "img2img_tokens_lora_untrained": (48.21, 69.64),
    "img2img_tokens": (46.43, 71.43),
    "img2img_lora": (52.00, 73.21),
    "majority_to_minority": (53.57, 79.57),
}


def is_papers(adapter: str, conditions: set[str], column: str, levels: tuple[tuple[str, ...], tuple[str, ...]]) -> bool:
    """Whether the paper's figures are about a study: its conditions, on the same skin, of data that are its own.

    ``levels`` of ``column``: those of majority and minority.
    """
    return adapter in _DATA and conditions == _CONDITIONS and (column, levels) == (SKIN_TYPE, _SKIN)


def paper_family(architecture: str) -> str:
    """The paper's architecture family that one of ours belongs to: vgg, resnet, vit, or itself."""
    return next((f for f in ("vgg", "resnet", "vit") if architecture.startswith(f)), architecture)
