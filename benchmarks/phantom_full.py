"""What the full miniature shows: the paper's directions with intervals, from a clone in which it has run.

./run python -m pipeline_steps.configure phantom_full && ./run python -m flows.augment
./run python -m benchmarks.phantom_full
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from pipeline_steps.measures.images.frechet import FRECHET
from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES, ROMAN
from pipeline_steps.reporting.blocks import Cell, Table, columns
from pipeline_steps.reporting.formatting import NO_SPREAD, value_or_reason
from pipeline_steps.reporting.markdown import markdown, table
from pipeline_steps.reporting.measures import named
from pipeline_steps.stage.params import read_params
from pipeline_steps.statistics.cluster_intervals import cluster_interval
from pipeline_steps.statistics.draws import corrected_paired_test

PAGE = Path("docs/phantom_full.md")
MINORITY, ALL = ("5", "6"), tuple(map(str, FITZPATRICK_TYPES))
MEASURES = {"V and VI, holdout": "minority", "own test split": "test"}
PAIRS = {
    "syn - real": ("syn", "real"),
    "real+syn - syn": ("real_syn", "syn"),
    "real+syn - real": ("real_syn", "real"),
    "real again - real (ResNet): the noise floor": ("real_again", "real"),
}
STRATEGIES = ("tokens_lora_untrained", "tokens", "lora", "tokens_lora")
ALONE = ("tokens", "lora")
TEXT = """# The full miniature

**Phantom results**: rendered images, small models. They test the method's logic; they say nothing about patients.

Made by `./run python -m pipeline_steps.configure phantom_full && ./run python -m flows.augment`, then
`./run python -m benchmarks.phantom_full`: {count} classifiers, draws {draws}.

![accuracy per skin type](phantom_full.png)

Lines: mean over draws and architectures; bands: lowest and highest.

## Accuracy, %

First four columns: types V and VI of the holdout (fresh phantoms that nothing else opens), then the own test split.

{accuracy}

## The paper's directions

Points of accuracy, mean over architectures, 95 % intervals over {draw_count} draws with the variance corrected for
overlapping training sets (Nadeau and Bengio 2003). With {draw_count} draws they are wide.

{directions}

## Ablation: one strategy each, synthetic images alone (scenario i, draw 0, small VGG)

{ablation}

Intervals over test images (groups resampled): they say nothing about another draw or training seed.

{tests}
"""


def accuracies(table: pd.DataFrame) -> pd.DataFrame:
    """A row a classifier: accuracy on types V and VI of the holdout (mean of the two) and on its own test split."""
    keys = ["scenario", "draw", "architecture", "arm", "augmenter"]
    table = table.assign(augmenter=table["augmenter"].fillna(""))
    holdout = table[(table["partition"] == "holdout") & table["level"].isin(MINORITY)]
    own = table[(table["partition"] == "test") & (table["level"] == "all")]
    return pd.concat(
        [
            holdout.groupby(keys)["accuracy"].mean().rename("minority"),
            own.groupby(keys)["accuracy"].mean().rename("test"),
        ],
        axis=1,
    ).reset_index()


def difference(a: pd.DataFrame, scenario: str, arms: tuple[str, str], measure: str) -> pd.Series:
    """Difference of two arms by draw, mean over the architectures that have both."""
    main = a[(a["scenario"] == scenario) & a["augmenter"].isin(["", "majority_to_minority"])]
    wide = main.pivot_table(index=["draw", "architecture"], columns="arm", values=measure)
    return (wide[arms[0]] - wide[arms[1]]).dropna().groupby("draw").mean()


def verdict(low: float, high: float) -> str:
    """Where the interval lies."""
    return "above 0" if low > 0 else "below 0" if high < 0 else "not resolved"


def line(name: str, where: str, tested: dict[str, float]) -> list[Cell]:
    """A row of a table, in points."""
    mean, low, high = (100 * tested[k] for k in ("mean", "low", "high"))
    if np.isnan(low):
        return [name, where, f"{mean:+.1f}", NO_SPREAD, ""]
    return [name, where, f"{mean:+.1f}", f"{low:+.1f} to {high:+.1f}", verdict(low, high)]


def lines(rows: list[list[Cell]]) -> str:
    """The table of them."""
    left = ("on", "interval lies")
    head = columns("difference", "on", "points", "95 % interval", "interval lies", words=left)
    return markdown([Table(head, rows)], PAGE)


def directions(a: pd.DataFrame, share: dict[str, float]) -> list[list[Cell]]:
    """Each pair of arms in each scenario, over draws."""
    rows = []
    for words, measure in MEASURES.items():
        for name, arms in PAIRS.items():
            for scenario in sorted(share):
                found = corrected_paired_test(difference(a, scenario, arms, measure).to_numpy(), share[scenario])
                rows.append(line(f"{name}, scenario {scenario}", words, found))
    for name, arms in (("syn - real", ("syn", "real")), ("real+syn - real", ("real_syn", "real"))):
        for less, more in pairwise(sorted(share)):
            both = difference(a, more, arms, "minority") - difference(a, less, arms, "minority")
            rows.append(
                line(
                    f"gain ({name}) of {more} over {less}",
                    "V and VI, holdout",
                    corrected_paired_test(both.to_numpy(), max(share.values())),
                )
            )
    return rows


def strategies(images: pd.DataFrame) -> tuple[list[list[Cell]], list[list[Cell]]]:
    """The ablation: accuracy and Fréchet distance of each strategy, and the paper's comparisons over images."""
    right = {f"{mode}_{s}": _right(f"{mode}_{s}") for mode in ("txt2img", "img2img") for s in STRATEGIES}
    rows: list[list[Cell]] = []
    for name, tested in right.items():
        dark = tested[tested["level"].isin(MINORITY)]["right"].mean()
        distance = value_or_reason(images.set_index("augmenter").loc[name].to_dict(), FRECHET, 3)
        rows.append([name, f"{tested['right'].mean():.1%}", f"{dark:.1%}", distance])
    pairs = [(f"{mode}_tokens_lora", f"{mode}_{one}") for mode in ("txt2img", "img2img") for one in ALONE]
    pairs += [(f"img2img_{s}", f"txt2img_{s}") for s in STRATEGIES]
    tests = []
    for one, other in pairs:
        for words, types in (("V and VI, holdout", MINORITY), ("all types, holdout", ALL)):
            tests.append(line(f"{one} - {other}", words, _over_images(right[one], right[other], types)))
    return rows, tests


def _right(strategy: str) -> pd.DataFrame:
    table = pd.read_parquet(f"data/predictions/syn-{strategy}-vgg_small-i-0.parquet")
    table = table[table["partition"] == "holdout"].reset_index(drop=True)
    return table.assign(right=(table["predicted"] == table["condition"]).astype(float))


def _over_images(one: pd.DataFrame, other: pd.DataFrame, types: Sequence[str]) -> dict[str, float]:
    kept = one["level"].isin(types).to_numpy()
    gap = (one["right"] - other["right"]).to_numpy()[kept]
    how, groups = read_params(EvaluationParams, "evaluation"), list(one["group"][kept])
    low, high = cluster_interval(lambda rows: float(gap[rows].mean()), groups, how.bootstrap_draws, how.seed)
    return {"mean": float(gap.mean()), "low": low, "high": high}


def picture(table: pd.DataFrame, file: Path) -> None:
    """Accuracy per skin type on the holdout: a panel a scenario, a line an arm, mean and range over draws and nets."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    scenarios = sorted(set(table["scenario"]))
    figure, axes = plt.subplots(1, len(scenarios), figsize=(3.6 * len(scenarios), 3.2), sharey=True)
    main = table[table["augmenter"].fillna("").isin(["", "majority_to_minority"])]
    held = main[(main["partition"] == "holdout") & (main["level"] != "all")]
    for axis, scenario in zip(axes, scenarios, strict=True):
        for arm in ("real", "syn", "real_syn"):
            rows = held[(held["scenario"] == scenario) & (held["arm"] == arm)]
            by_level = rows.groupby(rows["level"].astype(int))["accuracy"].agg(["mean", "min", "max"]) * 100
            axis.plot(by_level.index, by_level["mean"], marker="o", label=arm.replace("_", "+"))
            axis.fill_between(by_level.index, by_level["min"], by_level["max"], alpha=0.15)
        axis.set_title(f"scenario {scenario}")
        axis.set_xticks(FITZPATRICK_TYPES, [ROMAN[t] for t in FITZPATRICK_TYPES])
        axis.set_xlabel("Fitzpatrick type")
    axes[0].set_ylabel("accuracy on phantom holdout, %")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110, metadata={"Software": None})


def table_2(a: pd.DataFrame) -> list[list[Cell]]:
    """Accuracy by scenario, architecture and arm: mean and standard deviation over draws."""
    rows = []
    main = a[a["augmenter"].isin(["", "majority_to_minority"])]
    for (scenario, architecture), same in main.groupby(["scenario", "architecture"]):
        cells: list[Cell] = [str(scenario), str(architecture)]
        for measure in MEASURES.values():
            for arm in ("real", "real_again", "syn", "real_syn"):
                values = 100 * same[same["arm"] == arm][measure]
                cells.append(f"{values.mean():.1f} ± {values.std():.1f}" if len(values) else "")
        rows.append(cells)
    return rows


def main() -> None:
    """Read a finished run, write the page."""
    tested = pd.read_csv("report/accuracy.csv", dtype={"level": str})
    splits: dict[str, Any] = json.loads(Path("metrics/split.json").read_text())
    a = accuracies(tested)
    used = sorted(set(a["scenario"]))
    share = {s: float(np.mean([n["test"] / n["train"] for n in splits[s].values()])) for s in used}
    images = pd.read_csv("report/images.csv")
    rows, tests = strategies(images)
    PAGE.parent.mkdir(exist_ok=True)
    picture(tested, PAGE.with_suffix(".png"))
    draws = sorted(set(a["draw"]))
    arms = ["real", "real again", "syn", "real+syn"] * 2
    distance = f"{named(FRECHET, images['features'])} to dark reference (95 %)"
    text = TEXT.format(
        count=len(a),
        draws=draws,
        accuracy=table(["scenario", "classifier", *arms], table_2(a)),
        draw_count=len(draws),
        directions=lines(directions(a, share)),
        ablation=table(["strategy", "holdout, all types", "V and VI", distance], rows),
        tests=lines(tests),
    )
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
