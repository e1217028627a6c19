"""A training goes on from a checkpoint of the same inputs alone."""

from argparse import Namespace

import numpy as np
import pandas as pd
from data_sets import write_data_set

from pipeline_steps import train_segmenter
from pipeline_steps.parameters.arms import ArmParams
from pipeline_steps.parameters.segmenter import SegmenterParams
from pipeline_steps.stage.params import read_params

ARM = ArmParams(images="real", copies=1, seed=0, policy="none", mix="none", mix_alpha=1.0)


def test_a_segmenter_does_not_go_on_from_one_of_other_masks(tmp_path):
    for name in ("split.parquet", "synthetic", "screened"):
        (tmp_path / name).write_bytes(b"the same")
    args = Namespace(dataset=tmp_path, split=tmp_path / "split.parquet")
    args.synthetic, args.screened = tmp_path / "synthetic", tmp_path / "screened"
    places = []
    for marked in (False, True, True):
        masks = np.full((2, 4, 4), marked)
        write_data_set(tmp_path, pd.DataFrame({"image_id": ["a", "b"]}), np.zeros((2, 4, 4, 3), np.uint8), masks)
        places.append(train_segmenter._checkpoint(args, read_params(SegmenterParams, "segmenter"), ARM))
    assert places[0] != places[1] == places[2]
