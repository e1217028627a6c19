"""The Fréchet distance beside clean-fid's and torch-fidelity's."""

import warnings
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.peers.compared import Compared, seconds
from pipeline_steps.measures.images.frechet import frechet_distance
from pipeline_steps.measures.images.sides import Features, Sides


def compare_frechet(n: int, d: int, repeats: int) -> tuple[list[Compared], str]:
    """From features (n, D) of both sides to the distance; and whether the values are the same."""
    rng = np.random.default_rng(0)
    real, made = (rng.gamma(0.4, size=(n, d)).astype(np.float32) + shift for shift in (np.float32(0), np.float32(0.05)))
    rows, values = [], [("ours", frechet_distance(Sides(real, made, 3)))]
    for name, peer in _peers().items():
        ours, theirs = [], []
        for _ in range(repeats):
            ours.append(seconds(lambda: frechet_distance(Sides(real, made, 3))))
            value: list[float] = []
            theirs.append(seconds(lambda peer=peer, value=value: value.append(peer(real, made))))
        values.append((name, value[0]))
        rows.append(Compared("Fréchet distance", name, f"n = {n}, D = {d}", ours, theirs, 100.0))
    said = ", ".join(f"{name} {value:.6f}" for name, value in values)
    absent = "" if len(values) == 3 else " torch-fidelity was not installed and was left out."
    return rows, f"Values of the Fréchet distance on the same features: {said}.{absent}"


def _peers() -> dict[str, Callable[[Features, Features], float]]:
    peers = {"clean-fid": _clean_fid}
    try:
        from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    except ImportError:
        return peers

    def torch_fidelity(real: Features, made: Features) -> float:
        both = [fid_features_to_statistics(torch.from_numpy(x).double()) for x in (real, made)]
        return float(fid_statistics_to_metric(*both, verbose=False)["frechet_inception_distance"])

    return {**peers, "torch-fidelity": torch_fidelity}


def _clean_fid(real: Features, made: Features) -> float:
    from cleanfid.fid import frechet_distance as theirs

    real, made = real.astype(np.float64), made.astype(np.float64)  # as exact as can be: values are compared
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        moments = [m for x in (real, made) for m in (x.mean(0), np.cov(x, rowvar=False))]
        return float(theirs(*moments))
