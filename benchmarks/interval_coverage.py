"""How often intervals of distances cover what they should: simulated with Gaussians whose distance is known.

./run python -m benchmarks.interval_coverage
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.features.extractors import extractor
from pipeline_steps.measures.images.intervals import Halves, distance_intervals
from pipeline_steps.measures.images.sides import Features, Floats, Rows, Sides
from pipeline_steps.measures.images.table import DISTANCES
from pipeline_steps.reporting.markdown import table
from pipeline_steps.stage.params import read_yaml

DOCS = Path("docs")
K, TRIALS, DRAWS, AVERAGED = 3, 100, 200, 600


@dataclass(frozen=True)
class Population:
    """A Gaussian: its mean (D,) and a root (D, D) of its covariance."""

    mean: Floats
    root: Floats


@dataclass(frozen=True)
class Setting:
    """Groups of a side, images a group, and how alike those of a group are (their correlation); real, generated."""

    real: tuple[int, int, float]
    made: tuple[int, int, float]
    towards: float = 0.5  # other skin, of the way there

    @property
    def words(self) -> str:
        """Such as ``56 single, 335 pairs``."""
        sizes = {1: "single", 2: "pairs"}
        both = ", ".join(f"{groups} {sizes[size]}" for groups, size, _ in (self.real, self.made))
        return both if self.towards else f"{both}; alike"


SETTINGS = (
    Setting((56, 1, 0.0), (335, 2, 0.5)),
    Setting((28, 2, 0.8), (335, 2, 0.5)),
    Setting((56, 1, 0.0), (335, 2, 0.5), towards=0.0),
    Setting((20, 1, 0.0), (48, 2, 0.5)),
    Setting((8, 1, 0.0), (14, 2, 0.5)),
)


@cache
def populations(towards: float) -> tuple[Population, Population]:
    """Phantoms of types V and VI as the shipped network sees them, and the same ``towards`` those of III and IV."""
    e = extractor("shipped", "models/base/phantom-features")

    def features(types: tuple[int, ...]) -> Floats:
        conditions = read_yaml(Path("params.yaml"))["subset"]["conditions"]
        images = np.stack([render_condition(c, t, i).image for c in conditions for t in types for i in range(60)])
        return np.concatenate([e.extract(images[i : i + 32]) for i in range(0, len(images), 32)]).astype(np.float64)

    dark, other = features((5, 6)), features((3, 4))
    covariances = np.cov(dark.T), (1 - towards) * np.cov(dark.T) + towards * np.cov(other.T)
    means = dark.mean(0), (1 - towards) * dark.mean(0) + towards * other.mean(0)
    first, second = (Population(m, _root(c)) for m, c in zip(means, covariances, strict=True))
    return first, second


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return root


def sample(p: Population, side: tuple[int, int, float], rng: np.random.Generator) -> tuple[Features, Rows]:
    """Features (n, D) and the group of each."""
    groups, size, alike = side
    codes = np.repeat(np.arange(groups), size)
    shared, own = rng.normal(size=(groups, len(p.mean)))[codes], rng.normal(size=(len(codes), len(p.mean)))
    features = p.mean + (np.sqrt(alike) * shared + np.sqrt(1 - alike) * own) @ p.root
    return features.astype(np.float32), codes


def distances(sides: Sides) -> Floats:
    """The measures of features, which may repeat."""
    return np.array([m.of(sides) for m in DISTANCES])


def bootstraps(sides: Sides, groups: tuple[Rows, Rows], rng: np.random.Generator) -> dict[str, Floats]:
    """Intervals (2, M) by resampling whole groups with replacement: percentile, basic, re-centred."""

    def resampled(codes: Rows) -> Rows:
        members = [np.flatnonzero(codes == g) for g in range(codes.max() + 1)]
        return np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))])

    values = np.array([distances(sides.part(resampled(groups[0]), resampled(groups[1]))) for _ in range(DRAWS)])
    whole = distances(sides)
    ends = np.quantile(values, [0.025, 0.975], axis=0)
    return {"percentile": ends, "basic": 2 * whole - ends[::-1], "re-centred": ends - values.mean(0) + whole}


def trials(setting: Setting, seed: int) -> Iterator[dict[str, Floats]]:
    """The intervals of each way, of one pair of samples after the other, without end."""
    rng, both = np.random.default_rng(seed), populations(setting.towards)
    while True:
        (a, in_a), (b, in_b) = sample(both[0], setting.real, rng), sample(both[1], setting.made, rng)
        sides, how = Sides(a, b, K), Halves(DRAWS, int(rng.integers(2**31)), 4)
        values = {m.name: m.of(sides) for m in DISTANCES}
        found = distance_intervals(sides, values, ([str(g) for g in in_a], [str(g) for g in in_b]), how)
        halves = np.array([found[m.name] for m in DISTANCES]).T
        yield {"halves": halves, **bootstraps(sides, (in_a, in_b), rng)}


def averages(setting: Setting, seed: int) -> tuple[Floats, Floats]:
    """Mean and deviation (M,) of the measures over samples of these sizes."""
    rng, both = np.random.default_rng(seed), populations(setting.towards)
    found = []
    for _ in range(AVERAGED):
        a, b = sample(both[0], setting.real, rng)[0], sample(both[1], setting.made, rng)[0]
        found.append(distances(Sides(a, b, K)))
    return np.mean(found, axis=0), np.std(found, axis=0)


def coverage(setting: Setting) -> list[list[str]]:
    """A row a measure: its mean, and of each way how often it was covered and its width in that of the due interval."""
    mean, deviation = averages(setting, 1)
    hits: dict[str, list[npt.NDArray[np.bool_]]] = {}
    widths: dict[str, list[Floats]] = {}
    for _, ways in zip(range(TRIALS), trials(setting, 2), strict=False):
        for way, (low, high) in ways.items():
            hits.setdefault(way, []).append((low <= mean) & (mean <= high))
            widths.setdefault(way, []).append((high - low) / (2 * 1.96 * deviation))
    covered = {way: 100 * np.mean(hits[way], axis=0) for way in hits}
    wide = {way: np.nanmean(widths[way], axis=0) for way in hits}
    rows = []
    for c, measure in enumerate(DISTANCES):
        found = [f"{covered[way][c]:.0f} ({wide[way][c]:.2f})" for way in hits]
        rows.append([setting.words, measure.heading, f"{mean[c]:.3g} ± {deviation[c]:.2g}", *found])
    return rows


def main() -> None:
    """Simulate, write the page."""
    rows = [row for setting in SETTINGS for row in coverage(setting)]
    head = ["groups: real, generated", "measure", "mean ± deviation", "halves", "percentile", "basic", "re-centred"]
    text = f"""# Do intervals of distances cover what they should?

Made by `./run python -m benchmarks.interval_coverage`: {TRIALS} pairs of samples in each setting, {DRAWS} halves or
resamples each. Samples come from Gaussians with mean and covariance of phantoms of types V and VI in the shipped
network's 128 features (real), and half of the way towards those of III and IV (generated); *alike*: both from the
first. Pairs of generated images are correlated by 0.5, as two images of one source may be, of real images by 0.8, as
two photographs of one lesion.

A number is how often, in %, a 95 % interval held the mean of the measure over {AVERAGED} samples of the same counts; in
brackets its mean width, in widths of the interval that the true deviation would give. *Halves*: what `score_fid`
does (`pipeline_steps/measures/images/intervals.py`). The other three resample whole groups with replacement.

{table(head, rows)}

Of {TRIALS} trials 95 % come out between 90 and 99 %. The distance of infinitely many images is another
number, which these intervals do not cover: that of few images is biased.
"""
    (DOCS / "interval_coverage.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
