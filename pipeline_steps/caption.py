"""Caption the study's images.

Reads: ``data/subset.parquet``, the images where the backend looks at them, and the tokenizer whose limit captions keep.
Writes: ``data/captions/<captioner>`` (``captions.parquet``: image_id, caption with ``{token}`` and ``{level}`` open,
and short_caption for a second text encoder that holds less; ``words.json``: the phrase of each level, and of groups of
skin types that have their own), ``metrics/captions/<captioner>.json``.
"""

import json
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline_steps.captions.backends.table import BACKENDS, PARAMS
from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.checkpoints.locations import watched
from pipeline_steps.items.store import default_store
from pipeline_steps.parameters.captioners import CaptionerParams, worded
from pipeline_steps.parameters.population import Column, Group
from pipeline_steps.parameters.words import Words
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.named import named_function
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params, read_tagged
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.stage.wiring import check_wiring


def caption(params: CaptionerParams, study: Study, levels: Sequence[str]) -> Captioned:
    """Captions of all study images; ``levels``: of the population.

    Raises:
        DataError: a level has no phrase, or the backend can't caption.
    """
    if lacking := [level for level in levels if level not in params.level_words]:
        raise DataError(f"captioner has no words for level {', '.join(lacking)}; add them under level_words")
    made: Captioned = named_function(BACKENDS[params.backend].caption)(params, study)
    return made


def _check_wiring(entry: str, params: CaptionerParams, args: Namespace) -> None:
    """Whether DVC watches the models that the captioner names; some backends name none."""
    models: dict[str, tuple[Any, str]] = {
        entry: (params, args.weights),
        f"{entry}.tokenizer": (getattr(params, "tokenizer", None), args.tokenizer),
    }
    for place, (model, given) in models.items():
        location = watched(model.location, model.revision) if hasattr(model, "location") else None
        check_wiring(place, {"location": (location, given)})


def _without(column: str, attributes: str) -> str:
    """An image's attributes without the one that divides people: a caption names the wanted level in its place."""
    known = json.loads(attributes or "{}")
    return json.dumps({k: value for k, value in known.items() if k != column}) if column in known else attributes


def main() -> None:
    """Command line."""
    args_parser = parser(__doc__, "--subset", "--dataset", "--out", "--metrics")
    for name in ("--captioner", "--tokenizer", "--weights"):
        args_parser.add_argument(name, required=True)
    args = args_parser.parse_args()
    named = read_tagged(PARAMS, f"captioners.{args.captioner}", "backend")
    _check_wiring(f"captioners.{args.captioner}", named, args)
    params = worded(named, read_params(Words, "population.words").value)
    if BACKENDS[params.backend].uses_device:
        use_threads(read_params(Threads, "compute").threads)
    table = pd.read_parquet(args.subset)
    rows = table[table["role"] == "study"].reset_index(drop=True)
    levels = read_params(Group, "population.levels").value
    rows["attributes"] = [_without(read_params(Column, "population.column").value, text) for text in rows["attributes"]]
    made = caption(params, Study(rows, args.dataset, default_store()), levels)
    print(f"captions: {made.use.computed} computed, {made.use.reused} reused")
    with atomic_folder(args.out) as out:
        columns = {"image_id": rows["image_id"], "caption": made.captions, "short_caption": made.short_captions}
        pd.DataFrame(columns).to_parquet(out / "captions.parquet", index=False)
        write_metrics(out / "words.json", dict(sorted(params.level_words.items())))
    shared = {"captions": len(rows), "distinct": len(set(made.captions)), "backend": params.backend}
    write_metrics(args.metrics, {**shared, **made.counts})


if __name__ == "__main__":
    run(main)
