"""Caption the study's images.

Reads: ``data/subset.parquet``. Writes: ``data/captions/<captioner>`` (``captions.parquet``: image_id, caption with
``{token}`` and ``{tone}`` open; ``tones.json``: the phrase of each skin type), ``metrics/captions/<captioner>.json``.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pipeline_steps.captions.template import Templates, check_template
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import ItemStore, Use, default_store, item_key
from pipeline_steps.records.errors import DataError
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.params import Params, read_params
from pipeline_steps.stage.run import parser, run

_BATCH = 64


class CaptionerParams(Params):
    """One entry of ``captioners`` in params.yaml."""

    backend: str
    templates: tuple[str, ...]
    condition_templates: dict[str, str]
    tones: dict[int, str]


Caption = Callable[[str, str], str]


def _by_template(params: CaptionerParams) -> Caption:
    if not params.templates:
        raise DataError("captioner has no template; give it at least one under templates")
    exceptions = {c: check_template(t) for c, t in params.condition_templates.items()}
    return Templates(tuple(map(check_template, params.templates)), exceptions).caption


BACKENDS: dict[str, Callable[[CaptionerParams], Caption]] = {"template": _by_template}


def caption(study: pd.DataFrame, params: CaptionerParams, store: ItemStore) -> tuple[pd.DataFrame, Use]:
    """Captions (image_id, caption) of all study images, through the item store.

    Raises:
        DataError: unknown backend, a template without its open places, or a skin type without a phrase.
    """
    if params.backend not in BACKENDS:
        raise DataError(f"captioner backend {params.backend!r} is none of {', '.join(BACKENDS)}")
    lacking = [t for t in FITZPATRICK_TYPES if t not in params.tones]
    if lacking:
        raise DataError(f"captioner has no tone phrase for skin type {lacking}; add it under tones")
    say = BACKENDS[params.backend](params)
    code = code_version("pipeline_steps.captions.template")
    pairs = list(zip(study["condition"], study["image_id"], strict=True))
    keys = [
        item_key("caption", code, image=pair[1], sha256=digest, condition=pair[0], template=say(*pair))
        for pair, digest in zip(pairs, study["sha256"], strict=True)
    ]

    def compute(batch: list[int]) -> list[bytes]:
        return [say(*pairs[i]).encode() for i in batch]

    values, use = store.through(keys, compute, _BATCH, "captions")
    return pd.DataFrame({"image_id": study["image_id"], "caption": [v.decode() for v in values]}), use


def main() -> None:
    """Command line."""
    args_parser = parser(__doc__, "--subset", "--out", "--metrics")
    args_parser.add_argument("--captioner", required=True)
    args = args_parser.parse_args()
    params = read_params(CaptionerParams, f"captioners.{args.captioner}")
    table = pd.read_parquet(args.subset)
    study = table[table["role"] == "study"].reset_index(drop=True)
    captions, use = caption(study, params, default_store())
    print(f"captions: {use.computed} computed, {use.reused} reused")
    with whole_folder(args.out) as out:
        captions.to_parquet(Path(out) / "captions.parquet", index=False)
        write_metrics(Path(out) / "tones.json", {str(t): params.tones[t] for t in FITZPATRICK_TYPES})
    write_metrics(
        args.metrics, {"captions": len(captions), "distinct": captions["caption"].nunique(), "backend": params.backend}
    )


if __name__ == "__main__":
    run(main)
