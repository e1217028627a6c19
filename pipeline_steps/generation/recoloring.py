"""Skin-tone transfer by colour alone: the skin around a lesion gets another individual typology angle (ITA).

A baseline for the generative methods, ours: no model, nothing learned, and the lesion keeps the look it had on the
source's skin, which real lesions do not. In CIELAB, ITA = atan((L* - 50) / b*) (Chardon et al. 1991); with a* and b*
kept, the wanted angle gives the wanted L* of the skin, and all skin is scaled by the ratio (melanin absorbs a share of
the light, so shadows and hairs stay dark).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.generation.jobs import GeneratedImages, Inputs, Job
from pipeline_steps.generation.modes.tone_transfer import ToneTransferParams
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import Derived, default_store, item_key
from pipeline_steps.pixels.color import lab_from_srgb, linear_from_lab, srgb_from_linear
from pipeline_steps.pixels.images import mask_png, png_bytes
from pipeline_steps.pixels.ita import border_lab
from pipeline_steps.pixels.masks import feather
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.stage.errors import DataError

_LEAST_B, _DARKEST, _LIGHTEST = 5.0, 10.0, 95.0  # of b* and L*: below, ITA says nothing of skin


def with_ita(image: npt.NDArray[np.uint8], kept: npt.NDArray[np.float32], ita: float) -> npt.NDArray[np.uint8]:
    """``image`` (H, W, 3) with the ITA of its border's median colour moved to ``ita`` (degrees).

    ``kept`` (H, W) in [0, 1]: how much of a pixel stays as it is.
    """
    lightness, _, b = border_lab(image)
    wanted = np.clip(50 + max(float(b), _LEAST_B) * np.tan(np.radians(ita)), _DARKEST, _LIGHTEST)
    lab = lab_from_srgb(np.asarray(image / 255, np.float32))
    lab[..., 0] *= kept + (1 - kept) * np.float32(wanted / max(float(lightness), 1.0))
    made = np.round(srgb_from_linear(linear_from_lab(lab)) * 255).astype(np.uint8)
    return np.where(kept[..., None] >= 1, image, made)


def recolor(params: ToneTransferParams, inputs: Inputs, jobs: Sequence[Job], _train: pd.DataFrame) -> GeneratedImages:
    """Every source with the skin tone of its target level.

    Raises:
        DataError: a target level has no range, or a source no mask.
    """
    if lacking := [t for t in params.target_levels if t not in params.ita]:
        raise DataError(f"augmenter has no ita range for level {', '.join(lacking)}; add it under ita")
    dataset = open_dataset(inputs.dataset)
    ids = [j.source_id for j in jobs]
    images = dataset.images(ids)
    lesions = dataset.masks_of(ids) if params.region == "outside_mask" else None
    angles = [float(np.random.default_rng(j.seed).uniform(*params.ita[j.target_level])) for j in jobs]
    code, around = code_version(__name__), [""] * len(jobs) if lesions is None else lesions.digests
    keys = [
        item_key("recolour", code, image=image, mask=mask, feather=params.feather, ita=ita)
        for image, mask, ita in zip(images.digests, around, angles, strict=True)
    ]

    def made(i: int) -> bytes:
        image = images[i]
        kept = np.zeros(image.shape[:2], np.float32) if lesions is None else feather(lesions[i], params.feather)
        return png_bytes(with_ita(image, kept, angles[i]))

    files, use = default_store().get_or_compute(keys, lambda batch: [made(i) for i in batch], 1, "recolour")
    masks = () if lesions is None else Derived(len(jobs), lambda i: mask_png(lesions[i]))
    maker = "colour-only skin-tone transfer, no model"
    return GeneratedImages(files, [""] * len(jobs), [{}] * len(jobs), maker, use.reused, use.computed, masks)
