"""Write the report: one self-contained page, the summary metrics, and tables for ``dvc plots``.

Reads: all metrics, generated images, training curves, params.yaml. Writes: ``report/`` and ``metrics/summary.json``.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.reporting import figures, gallery
from pipeline_steps.reporting.arms import spelled
from pipeline_steps.reporting.leaderboard import MEASURES, contenders, leaderboard
from pipeline_steps.reporting.results import (
    NO_MODEL,
    Results,
    ablation,
    gather,
    mask_agreement,
    paired_tests,
    read_json,
    summary,
    table_2,
    untrained_twins,
)
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.params import Params, read_params, read_yaml
from pipeline_steps.stage.run import parser, run

METRICS = Path("metrics")
PARTITIONS = {"test": "test (dark)", "test_light": "test (light)", "holdout": "phantom holdout, all six types"}


class ReportParams(Params):
    """``report`` in params.yaml."""

    gallery_per_condition: int
    phantom: bool


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _number(value: Any, digits: int = 3) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.{digits}f}"


def accuracy_figures(r: Results) -> list[dict[str, str]]:
    """A figure for each scenario, architecture and partition."""
    made: list[dict[str, str]] = []
    if not len(r.classifiers):
        return made
    for (scenario, architecture, partition), rows in r.classifiers.groupby(["scenario", "architecture", "partition"]):
        title = f"Scenario {scenario}, {architecture}: {PARTITIONS[str(partition)]}"
        n = int(rows.loc[rows["skin_type"] == "all", "n"].mean())
        caption = f"{n} images, {rows['draw'].nunique()} draw(s); bars: 95 % bootstrap over groups, mean over draws."
        made.append({"title": title, "caption": caption, "png": _uri(figures.accuracy_by_type(rows, title))})
    return made


def tests(r: Results, splits: dict[str, Any]) -> list[dict[str, Any]]:
    """Paired tests on every partition, formatted in percentage points."""
    rows = []
    share = _test_share(r, splits)
    for partition in PARTITIONS:
        for t in paired_tests(r, partition, share, Path("data/predictions")):
            low, high = _number(t["low"] * 100, 1), _number(t["high"] * 100, 1)
            interval = f"{low} to {high}" if low else ""
            mean = f"{t['mean'] * 100:+.1f}"
            rows.append({**t, "partition": partition, "mean": mean, "interval": interval, "p": _number(t["p_holm"])})
    return rows


def _test_share(r: Results, splits: dict[str, Any]) -> float:
    """n_test / n_train, mean over the draws of the scenarios in the grid: what Nadeau and Bengio's correction takes.

    Of the draws' own test splits on every partition, for those are what is drawn; the holdout is the same for all.
    """
    scenarios = set(r.classifiers["scenario"]) if len(r.classifiers) else set(splits)
    shares = [n["test"] / max(n["train"], 1) for s in scenarios for n in splits[s].values()]
    return sum(shares) / len(shares)


def doses(r: Results, splits: dict[str, Any], partition: str) -> dict[str, pd.DataFrame]:
    """By scenario of which several doses are in the grid: contender, dose, draw and measures, a row a classifier."""
    found = contenders(r, partition, read_yaml(Path("params.yaml"))["subset"]["minority"])
    tables = [t.reset_index().assign(contender=_contender(name)) for name, t in found.items()]
    rows = pd.concat(tables) if tables else pd.DataFrame(columns=["scenario"])
    conditions, made = len(read_json(METRICS / "subset.json")["counts"]), {}
    for scenario in sorted({s.split("_n")[0] for s in rows["scenario"] if "_n" in s}):
        mine = rows[rows["scenario"].str.split("_n").str[0] == scenario]
        trained = [splits[s][str(d)]["train"] for s, d in zip(mine["scenario"], mine["draw"], strict=True)]
        made[scenario] = mine.assign(dose=[round(n / conditions) for n in trained])
    return made


def dose_figures(r: Results, splits: dict[str, Any]) -> list[dict[str, str]]:
    """Dose-response, where several doses of a scenario are in the grid."""
    minority, made = read_yaml(Path("params.yaml"))["subset"]["minority"], []
    for partition in ("holdout", "test"):
        for scenario, rows in doses(r, splits, partition).items():
            title = (
                f"Dose-response, scenario {scenario}: {PARTITIONS[partition]}, types {', '.join(map(str, minority))}"
            )
            caption = "Mean over architectures and draws; dots are single draws."
            made.append({"title": title, "caption": caption, "png": _uri(figures.dose_response(rows, title))})
    return made


def boards(r: Results, splits: dict[str, Any], cells: dict[str, Any]) -> list[dict[str, Any]]:
    """The leaderboard of each partition that has every skin type of the minority, formatted."""
    minority = read_yaml(Path("params.yaml"))["subset"]["minority"]
    model_free = sorted({c["augmenter"] for c in cells["generate"].values() if c["base"] == NO_MODEL})
    made = []
    for partition in ("holdout", "test"):
        board = leaderboard(r, partition, minority, _test_share(r, splits), model_free)
        if board is None:
            continue
        rows = [
            {**row, **{measure: _measured(row, measure) for measure in MEASURES}}
            | {k: "" if pd.isna(row[k]) else f"{row[k] * 100:+.1f}" for k in ("mean", "low", "high")}
            | {"p": _number(row["p_holm"])}
            for row in board.rows
        ]
        ranks = {_contender(name): rank for name, rank in board.ranks.items()}
        png = _uri(figures.critical_difference(ranks, board.critical_difference)) if ranks else ""
        head = {"partition": PARTITIONS[partition], "minority": ", ".join(map(str, minority))}
        made.append({**head, "rows": rows, "baseline": _contender(board.baseline), "blocks": board.blocks, "png": png})
    return made


_DIGITS = {"fid": 1, "kid": 2, "precision": 2, "recall": 2}  # of measures that are no percentage
_RANGES = {"fid": (0, None), "kid": (None, None)}  # of measures that can leave 0 to 1


def _measured(row: dict[str, Any], measure: str) -> dict[str, str]:
    """A value and its interval, within what is possible; shares in percent."""
    found = (row.get(f"{measure}{end}") for end in ("", "_low", "_high"))
    values = [None if v is None else np.clip(v, *_RANGES.get(measure, (0, 1))) for v in found]
    if measure in _DIGITS:
        value, low, high = (_number(v, _DIGITS[measure]) for v in values)
    else:
        value, low, high = (_number(_percent(v), 1) for v in values)
    return {"value": value, "interval": f"{low} to {high}" if low else ""}


def _contender(name: str) -> str:
    arm, _, augmenter = name.partition(" of ")
    return f"{spelled(arm)}, {augmenter}" if augmenter else spelled(arm)


def _percent(value: Any) -> Any:
    return None if value is None else value * 100


def learned(r: Results, cells: dict[str, Any]) -> list[dict[str, str]]:
    """Images of each fine-tuned model beside those of its base model as it came, formatted."""
    augmenters = read_yaml(Path("params.yaml"))["augmenters"]
    rows = {str(row["cell"]): row for row in r.images.to_dict("records")}
    made = []
    for key, twin in untrained_twins(cells, augmenters).items():
        shown = {"cell": key, "twin": twin}
        for side, row in (("tuned", rows[key]), ("plain", rows[twin])):
            shown[f"{side}_fid"] = _with_interval(row, "fid", _number)
            shown[f"{side}_concepts"] = _with_interval(row, "concepts", lambda v: _number(_percent(v), 1))
        made.append(shown)
    return made


def _with_interval(row: dict[Any, Any], name: str, spell: Callable[[Any], str]) -> str:
    value, low, high = (spell(row[k]) for k in (name, f"{name}_low", f"{name}_high"))
    return f"{value} ({low} to {high})" if value else str(row["unavailable"])


def segmenters(r: Results) -> list[dict[Any, Any]]:
    """Overlap of each segmenter's masks with the real ones, formatted."""
    made: list[dict[Any, Any]] = []
    for row in r.segmenters.to_dict("records") if len(r.segmenters) else []:
        shown: dict[Any, Any] = {k: _number(row[k]) for k in ("dice", "iou")}
        shown["interval"] = f"{_number(row['low'])} to {_number(row['high'])}"
        made.append(row | shown | {"partition": PARTITIONS[str(row["partition"])]})
    return made


def curves(cells: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Training histories by name, of the cells in the grid."""
    folders = [
        *(f"models/tokens/{k}" for k in cells["invert_tokens"]),
        *(f"models/adapters/{k}" for k in cells["finetune"]),
        *(f"models/classifier/{k}" for k in cells["train_classifier"]),
        *(f"models/segmenter/{k}" for k in cells["train_segmenter"]),
    ]
    files = [f for folder in folders for f in sorted(Path(folder).rglob("history.csv"))]
    return {str(f.parent.relative_to("models")): pd.read_csv(f) for f in files[:24]}


def page(r: Results, cells: dict[str, Any], params: ReportParams) -> str:
    """The whole page."""
    dataset = open_dataset(Path("data/dataset"))
    sheets = []
    for key in cells["generate"]:
        folder = Path("data/synthetic") / key
        screened = Path("data/screened") / f"{key}.parquet" if key in cells["screen"] else None
        sheets.append(gallery.sheet(key, dataset, folder, screened, params.gallery_per_condition))
        rejected = gallery.rejects(key, folder, screened) if screened else None
        sheets += [rejected] if rejected else []
    wall = gallery.wall([(k, Path("data/synthetic") / k) for k in cells["screen"]], dataset.pixels.shape[1])
    sheets = [wall, *sheets] if wall else sheets
    subset, splits = read_json(METRICS / "subset.json"), read_json(METRICS / "split.json")
    fid = [
        {**{k: _number(v) if isinstance(v, float) else v for k, v in row.items()}, "interval": _interval(row)}
        | {"light": _number(row["fid_of_light_training_images"])}
        | {"concepts": _with_interval(row, "concepts", lambda v: _number(_percent(v), 1))}
        | {"concepts_judge": _number(_percent(row["concepts_judge"]), 1)}
        for row in r.images.to_dict("records")
    ]
    histories = curves(cells)
    template = jinja2.Template((Path(__file__).parent / "reporting" / "page.html").read_text("utf-8"), autoescape=True)
    features = {read_json(METRICS / "fid" / f"{key}.json")["features"] for key in cells["screen"]}
    return template.render(
        phantom=params.phantom,
        spelled=spelled,
        images=read_json(METRICS / "ingest.json")["images"],
        subset=subset,
        types=sorted({t for n in subset["counts"].values() for t in n}),
        audit=", ".join(f"{k.replace('_', ' ')} {v}" for k, v in read_json(METRICS / "audit.json").items()),
        splits=[(s, d, n) for s, draws in splits.items() for d, n in draws.items()],
        partitions=["train", "validation", "test", "test_light", "reference", "holdout", "excluded"],
        classifiers=len(cells["train_classifier"]),
        augmenters=sorted({c["augmenter"] for c in cells["generate"].values()}),
        accuracy_figures=accuracy_figures(r) + dose_figures(r, splits),
        table_2={words: rows for p, words in PARTITIONS.items() if (rows := table_2(r, p))},
        boards=boards(r, splits, cells),
        tests=tests(r, splits),
        ablation=ablation(r),
        segmenters=segmenters(r),
        masks=[m | {"dice": _number(m["dice"])} for m in mask_agreement(cells, METRICS)],
        fid=fid,
        learned=learned(r, cells),
        features=", ".join(sorted(features)),
        sheets=[{"title": s.title, "caption": s.caption, "png": _uri(s.png)} for s in sheets],
        curves=_uri(figures.training_curves(histories)) if histories else "",
        params=Path("params.yaml").read_text("utf-8"),
    )


def _interval(row: dict[Any, Any]) -> str:
    low, high = _number(row["fid_low"]), _number(row["fid_high"])
    return f"{low} to {high}" if low else ""


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--out", "--summary").parse_args()
    params = read_params(ReportParams, "report")
    cells = read_yaml(Path("cells.yaml"))["cells"]
    r = gather(cells, METRICS)
    with whole_folder(args.out) as folder:
        (folder / "index.html").write_text(page(r, cells, params), "utf-8")
        r.classifiers.to_csv(folder / "accuracy.csv", index=False)
        r.images.to_csv(folder / "images.csv", index=False)
        r.segmenters.to_csv(folder / "segmenters.csv", index=False)
        histories = [t.assign(run=name).rename(columns={t.columns[0]: "step"}) for name, t in curves(cells).items()]
        (pd.concat(histories) if histories else pd.DataFrame(columns=["step", "loss", "run"])).to_csv(
            folder / "training.csv", index=False
        )
    write_metrics(args.summary, summary(r))


if __name__ == "__main__":
    run(main)
