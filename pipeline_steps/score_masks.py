"""Measure whether generated masks fit their images, by a segmenter that was trained on real images alone.

Reads: a segmenter of the arm ``real``, generated and screened images. Writes: ``metrics/masks/<cell>.json``: Dice of
its mask and the generated one, over all accepted images and per wanted level. Where neither marks anything there is
no Dice, and such images are counted.
"""

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_steps.generation.synthetic import images_of, masks_of, read_accepted
from pipeline_steps.measures.segmenters.overlap import dice
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.vision.segmentation import load_segmenter, segment
from pipeline_steps.vision.views import recorded_normalisation


def agreement(overlap: npt.NDArray[np.float64], types: npt.NDArray[np.str_]) -> dict[str, Any]:
    """Mean Dice and number of images, over all and by level; pairs in which neither marks anything are counted."""
    by_level = {str(t): _mean(overlap[types == t]) for t in np.unique(types)}
    return {**_mean(overlap), "by_level": by_level}


def _mean(overlap: npt.NDArray[np.float64]) -> dict[str, Any]:
    known = overlap[~np.isnan(overlap)]
    dice = float(known.mean()) if len(known) else float("nan")
    return {"dice": dice, "images": len(known), "nothing_marked": len(overlap) - len(known)}


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--model", "--synthetic", "--screened", "--metrics").parse_args()
    use_threads(read_params(Threads, "scoring").threads)
    table = read_accepted(args.synthetic, args.screened)
    masks = masks_of(args.synthetic, table)
    if masks is None or not len(table):
        write_metrics(args.metrics, {"unavailable": "no masks" if masks is None else "no accepted image"})
        return
    config = json.loads((args.model / "config.json").read_text())
    images, norm = images_of(args.synthetic, table), recorded_normalisation(config)
    parts = segment(load_segmenter(args.model), images, config["input_size"], norm)
    overlap = np.concatenate([dice(found, masks[rows]) for rows, found in parts])
    write_metrics(args.metrics, agreement(overlap, table["target_level"].to_numpy(str)))


if __name__ == "__main__":
    run(main)
