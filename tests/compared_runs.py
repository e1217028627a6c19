"""A repository with runs of two classifiers and images, as two experiments are compared."""

import hashlib
import json

import numpy as np
import pandas as pd
from conftest import run

from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.statistics.cluster_intervals import share_interval

EVALUATION = EvaluationParams(bootstrap_draws=200, seed=0, minimum_level_images=30)


PARAMS = {
    "classifier": {"updates": 100},
    "evaluation": EVALUATION.model_dump(),
    "features": {"extractor": "shipped"},
    "population": {"column": "fitzpatrick_scale", "levels": [1, 5], "majority": [1], "minority": [5]},
}


STAGES = {"evaluate": {"cmd": "true", "params": ["classifier.updates"]}}


N = 200  # test images a level, each its own group


def predictions(right_share, draw=0, first=0):
    """A table of a test split: so many of each level are right, the same ones whatever the experiment."""
    rows = []
    for level, share in right_share.items():
        order = np.random.default_rng(100 * int(level) + draw).permutation(N)
        for i in range(N):
            hit = order[i] < round(share * N)
            name = f"{level}-{first + i}"
            rows.append({"image_id": name, "sha256": name, "group": name, "partition": "test", "level": level})
            rows[-1] |= {"condition": "a", "predicted": "a" if hit else "b"}
    return pd.DataFrame(rows)


def measured(table):
    """What ``evaluate`` writes of it, as far as it is read here."""
    right = (table["predicted"] == table["condition"]).to_numpy()
    of = {level: right[(table["level"] == level).to_numpy()] for level in sorted(set(table["level"]))}
    shares = {level: float(r.mean()) for level, r in of.items()}
    intervals = {level: share_interval(r, list(range(len(r))), 200, 0) for level, r in of.items()}
    by_level = {"accuracy": shares, "accuracy_interval": intervals, "n": {level: len(r) for level, r in of.items()}}
    by_level |= {"worst_accuracy": min(shares.values()), "gap": max(shares.values()) - min(shares.values())}
    whole = share_interval(right, list(range(len(right))), 200, 0)
    return {"test": {"accuracy": float(right.mean()), "accuracy_interval": whole, "by_level": by_level}}


class Lab:
    """A small repository whose files are a finished run's, all in git."""

    def __init__(self, folder):
        self.folder = folder
        run("git", "init", "-q", "-b", "main", cwd=folder)
        self.write(".dvc/config", "")  # all that makes it a repository of DVC's
        self.write(".dvc/.gitignore", "/tmp\n/cache\n")
        for key, value in (("user.name", "t"), ("user.email", "t@t")):
            run("git", "config", key, value, cwd=folder)

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pd.DataFrame):
            content.to_parquet(path)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))

    def finish(self, tables, *, params=PARAMS, code="1", tag="", keep=True):
        """A run with these predictions by draw; ``keep``: whether they are at hand, or their metrics alone."""
        cells = {
            f"real-{d}": {"arm": "real", "architecture": "r", "split": f"iii-{d}", "augmenter": ""} for d in tables
        }
        lock = {
            "cmd": "true",
            "deps": [{"path": "data/code/evaluate.json", "md5": f"digest {code}"}],
            "params": {"params.yaml": {}},
            "outs": [],
        }
        for draw, table in tables.items():
            self.write(f"metrics/classification/real-{draw}.json", measured(table))
            if keep:
                self.write(f"data/predictions/real-{draw}.parquet", table)
            digest = str(pd.util.hash_pandas_object(table).sum())
            lock["outs"] += [{"path": f"data/predictions/real-{draw}.parquet", "md5": digest}]
            lock["outs"] += [
                {
                    "path": f"data/splits/iii-{draw}.parquet",
                    "md5": hashlib.md5(str(sorted(table["image_id"])).encode()).hexdigest(),
                }
            ]
        lock["params"]["params.yaml"] = {"classifier.updates": params["classifier"]["updates"]}
        sizes = {str(d): {"test": 2 * N, "train": 4 * N} for d in tables}
        for name, content in (
            ("params.yaml", params),
            ("cells.yaml", {"cells": {"train_classifier": cells}}),
            ("dvc.yaml", {"stages": STAGES}),
            ("dvc.lock", {"schema": "2.0", "stages": {"evaluate": lock}}),
            ("metrics/split.json", {"iii": sizes}),
            ("metrics/summary.json", {"accuracy": {"iii-r-real": {"test": {"all": 0.5}}}}),
            ("data/code/evaluate.json", {"evaluate.py": code, "same.py": "0"}),
        ):
            self.write(name, content)
        run("git", "add", "-A", cwd=self.folder)
        run("git", "commit", "-qm", tag or "run", cwd=self.folder)
        if tag:
            run("git", "tag", tag, cwd=self.folder)
