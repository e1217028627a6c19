"""Write the report: one self-contained page, the summary metrics, and tables for ``dvc plots``.

Reads: all metrics, generated images, training curves, params.yaml. Writes: ``report/``, ``metrics/summary.json`` (all
means), and ``metrics/compared``, the few of them that ``dvc metrics`` and ``dvc exp`` show.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from pipeline_steps.parameters.report import ReportParams
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.records.populations import targets
from pipeline_steps.records.skin_types import level_name, levels_name
from pipeline_steps.reporting import figures, gallery, plates, shown
from pipeline_steps.reporting.arms import spelled
from pipeline_steps.reporting.compared import compared
from pipeline_steps.reporting.family import compare
from pipeline_steps.reporting.measures import names
from pipeline_steps.reporting.results import Results, gather, mask_agreement, read_json
from pipeline_steps.reporting.settings import shown_params
from pipeline_steps.reporting.study import DATASET, METRICS, PREDICTIONS, Study, read_study
from pipeline_steps.reporting.tables import ablation, summary, table_2
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.params import PARAMS_FILE, read_params, read_yaml
from pipeline_steps.stage.run import parser, run


def boards(r: Results, splits: Mapping[str, Any], cells: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The leaderboards as the page prints them, for pages elsewhere."""
    study = read_study(splits, cells)
    return shown.boards(compare(r, study, PREDICTIONS), study)


def learned(r: Results, cells: Mapping[str, Any]) -> list[dict[str, str]]:
    """Fine-tuned models beside their base models as the page prints them."""
    return shown.learned(r, cells, _augmenters())


def _augmenters() -> dict[str, dict[str, Any]]:
    """Their settings, with types as ``target_types``."""
    params = read_yaml(PARAMS_FILE)
    minority = params["population"]["minority"]
    entries = params["augmenters"].items()
    return {name: a | {"target_types": targets(a["target_types"], minority)} for name, a in entries}


def beyond(study: Study, augmenters: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Those of ``augmenters`` that are asked for skin types which are not the minority's, with these."""
    found = {name: set(a["target_types"]) - set(study.minority) for name, a in augmenters.items()}
    return [f"{name}: {levels_name(types)}" for name, types in found.items() if types]


def curves(cells: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Training histories by name, of the cells in the grid."""
    folders = [
        *(f"models/tokens/{k}" for k in cells["invert_tokens"]),
        *(f"models/adapters/{k}" for k in cells["finetune"]),
        *(f"models/classifier/{k}" for k in cells["train_classifier"]),
        *(f"models/segmenter/{k}" for k in cells["train_segmenter"]),
    ]
    files = [f for folder in folders for f in sorted(Path(folder).rglob("history.csv"))]
    return {str(f.parent.relative_to("models")): pd.read_csv(f) for f in files[:24]}


def sheets(cells: Mapping[str, Any], per_condition: int) -> list[gallery.Sheet]:
    """The wall, then the gallery and the rejects of each augmenter cell."""
    dataset = open_dataset(DATASET)
    made = []
    for key in cells["generate"]:
        folder = Path("data/synthetic") / key
        screened = Path("data/screened") / f"{key}.parquet" if key in cells["screen"] else None
        made.append(gallery.sheet(key, dataset, folder, screened, per_condition))
        rejected = gallery.rejects(key, folder, screened) if screened else None
        made += [rejected] if rejected else []
    wall = gallery.wall([(k, Path("data/synthetic") / k) for k in cells["screen"]], dataset.pixels.shape[1])
    return [wall, *made] if wall else made


def statistics(r: Results, study: Study) -> dict[str, Any]:
    """What the page shows of classifiers: figures, tables, comparisons."""
    compared = compare(r, study, PREDICTIONS)
    return {
        "classifiers": len(set(r.classifiers["cell"])) if len(r.classifiers) else 0,
        "accuracy_figures": plates.accuracy_plates(r, study) + plates.dose_plates(r, study),
        "table_2": {words: t for p, words in study.words.items() if (t := table_2(r, p, papers=study.papers))},
        "boards": shown.boards(compared, study),
        "tests": shown.tests(compared, study.words),
        "floors": shown.floors(compared.floors, study.words),
        "family": compared.family,
        "minimum": study.evaluation.minimum_level_images,
        "ablation": ablation(r, papers=study.papers),
    }


def page(r: Results, study: Study, cells: Mapping[str, Any], params: ReportParams) -> str:
    """The whole page."""
    subset, audit, histories = read_json(METRICS / "subset.json"), read_json(METRICS / "audit.json"), curves(cells)
    template = jinja2.Template((Path(__file__).parent / "reporting" / "page.html").read_text("utf-8"), autoescape=True)
    augmenters = sorted({c["augmenter"] for c in cells["generate"].values()})
    features = sorted(set(r.images["features"])) if len(r.images) else []
    return template.render(
        **statistics(r, study),
        study=study,
        level_name=spelled_level,
        spelled=spelled,
        images=read_json(METRICS / "ingest.json")["images"],
        subset=subset,
        types=sorted({t for n in subset["counts"].values() for t in n}, key=int),
        audit=", ".join(f"{k.replace('_', ' ')} {v}" for k, v in audit.items() if k != "missing_facts"),
        missing=audit["missing_facts"],
        splits=[(s, d, n) for s, draws in study.sizes.items() for d, n in draws.items()],
        partitions=["train", "validation", "test", "test_light", "reference", "holdout", "excluded"],
        augmenters=augmenters,
        beyond=beyond(study, {name: a for name, a in _augmenters().items() if name in augmenters}),
        segmenters=shown.segmenters(r, study.words),
        masks=[m | {"dice": shown.number(m["dice"])} for m in mask_agreement(dict(cells), METRICS)],
        distances=shown.images(r),
        names=names(features),
        learned=learned(r, cells),
        features=", ".join(features),
        sheets=[
            {"title": s.title, "caption": s.caption, "png": shown.uri(s.png)}
            for s in sheets(cells, params.gallery_per_condition)
        ],
        curves=shown.uri(figures.training_curves(histories)) if histories else "",
        params=shown_params(PARAMS_FILE.read_text("utf-8")),
    )


def spelled_level(key: str) -> str:
    """A level as metrics name it, in words: a type, a group, or ``unknown``."""
    return level_name(int(key)) if key.isdigit() else key


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--out", "--summary", "--compared").parse_args()
    params = read_params(ReportParams, "report")
    cells = read_yaml(Path("cells.yaml"))["cells"]
    study, r = read_study(read_json(METRICS / "split.json"), cells), gather(cells, METRICS)
    with whole_folder(args.out) as folder:
        (folder / "index.html").write_text(page(r, study, cells, params), "utf-8")
        r.classifiers.to_csv(folder / "accuracy.csv", index=False)
        r.images.to_csv(folder / "images.csv", index=False)
        r.segmenters.to_csv(folder / "segmenters.csv", index=False)
        histories = [t.assign(run=name).rename(columns={t.columns[0]: "step"}) for name, t in curves(cells).items()]
        (pd.concat(histories) if histories else pd.DataFrame(columns=["step", "loss", "run"])).to_csv(
            folder / "training.csv", index=False
        )
    write_metrics(args.summary, summary(r, study.evaluation.minimum_level_images))
    with whole_folder(args.compared) as folder:
        for name, numbers in compared(r, study.minority).items():
            write_metrics(folder / f"{name}.json", numbers)


if __name__ == "__main__":
    run(main)
