"""The profiles of a rehearsal: the default one with many images of 512 pixels, little training and small models."""

from pathlib import Path
from typing import Any

from benchmarks.rehearsal.material import SIDE, TABLE_SIDE

NAME = "rehearsal"
GENERATED = 0.12  # generated images of a method over images of the data set
_FLEXIBLE = 125  # images of the data set for one of each condition in the flexible subset
_SHOWN = ("colour", "border", "texture", "elevation", "arrangement", "symmetry", "count", "size")
_FEW = {"steps": 2, "batch_size": 4, "validate_every": 2}


def generated(images: int) -> int:
    """How many images each method makes of a data set of ``images``."""
    return round(images * GENERATED)


def of_photographs(folder: Path, model: Path, images: int) -> dict[str, Any]:
    """The overlay for ``images`` photographs with masks in ``folder``; three methods, classifiers and segmenters."""
    source = {
        "csv": str(folder / "labels.csv"),
        "images": str(folder / "images"),
        "masks": str(folder / "masks"),
        "mask": "{stem}.png",
        "patient_id": "patient",
        "attributes": list(_SHOWN),
    }
    return {
        "compute": {"threads": 1},
        "grid": {
            "comparison": {"arms": ["real", "real_syn"]},
            "methods": {"augmenters": ["lesiongen_reports", "skindualgen"], "architectures": ["resnet_small"]},
            "masks": {"augmenters": ["skindualgen"], "segmenters": ["real", "real_syn"]},
            "ablation": None,
            "untrained": None,
        },
        "ingest": {"adapter": "folder", "image_size": SIDE, "sources": {"folder": source}},
        "split": {"scenarios": ["iii"], "draws": [0], "flexible_per_condition": max(1, images // _FLEXIBLE)},
        "captioners": {"reports_phantom": {"max_failure_fraction": 1.0}},
        "base_models": {"sd": {"location": str(model)}},
        **_trained(generated(images)),
    }


def _trained(made: int) -> dict[str, Any]:
    """Trainings of a few steps, methods that make ``made`` images each, and few resamples."""
    tuned = {"rank": 2, "alpha": 2, "preview_every": 0}
    return {
        "inversions": {"tokens": {"training": _FEW}},
        "adapters": {
            "_each": {"tuned": {**tuned, "training": _FEW}},
            "lora_tokens": {"training": _FEW},
            "lora_concepts": {**tuned, "training": {"steps": 2}},
            "lora_pairs": {"training": {"steps": 2}},
        },
        "augmenters": {
            "_each": {
                "made": {"images_per_source": 1, "max_sources": made},
                "denoised": {"num_inference_steps": 2, "batch_size": 4},
            },
            "majority_to_minority": {"max_sources": made, "num_inference_steps": 2},
        },
        "screen": {"reject": []},  # nothing is learned, and later stages are to get as many images as were made
        "fid": {"interval_draws": 100, "interval_groups": 4, "accuracy_draws": 100, "minimum_images": 4},
        "classifier": {"updates": 6, "batch_size": 16, "validate_every": 3},
        "segmenter": {"updates": 6, "batch_size": 8, "validate_every": 3},
        "evaluation": {"bootstrap_draws": 100, "minimum_level_images": 4},
    }


def of_fitzpatrick17k(table: Path, images: Path, concepts: Path | None) -> dict[str, Any]:
    """The overlay for Fitzpatrick17k's own table, with photographs that are not its own; captions of two kinds."""
    source = {"csv": str(table), "images": str(images), "check_md5": False, "skincon": concepts and str(concepts)}
    return {
        "compute": {"threads": 1},
        "grid": {
            "comparison": {"augmenters": ["majority_to_minority", "lesiongen"]},
            "ablation": None,
            "untrained": None,
        },
        "captioners": {"concepts": {"phrases": {"*": "{name}"}}},
        "ingest": {"adapter": "fitzpatrick17k", "image_size": TABLE_SIDE, "sources": {"fitzpatrick17k": source}},
    }
