"""Caption the study's images.

Reads: ``data/subset.parquet``, and the tokenizer that captions must fit. Writes: ``data/captions/<captioner>``
(``captions.parquet``: image_id, caption with ``{token}`` and ``{tone}`` open; ``tones.json``: the phrase of each skin
type), ``metrics/captions/<captioner>.json``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pipeline_steps.captions.compose import new_composer
from pipeline_steps.captions.template import TOKEN, TONE, Templates, check_template
from pipeline_steps.captions.tokens import TokenizerParams, token_counter
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import ItemStore, Use, default_store, item_key
from pipeline_steps.records.errors import DataError
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.params import Params, read_tagged
from pipeline_steps.stage.run import parser, run

_BATCH = 64


class CaptionerParams(Params):
    """What every entry of ``captioners`` in params.yaml says."""

    backend: str
    tones: dict[int, str]


class TemplateParams(CaptionerParams):
    """The same words for all images of a condition."""

    backend: Literal["template"]
    templates: tuple[str, ...]
    condition_templates: dict[str, str]


class ConceptParams(CaptionerParams):
    """Expert annotations of each image (``attributes`` of the manifest) in words: LesionGen's concept captions."""

    backend: Literal["concepts"]
    text: str
    plain: str
    phrases: dict[str, str]
    tokenizer: TokenizerParams


@dataclass(frozen=True)
class Captioned:
    """Captions in the order of the study's rows, and counts for the metrics."""

    captions: list[str]
    counts: dict[str, int]
    use: Use


def by_template(params: TemplateParams, study: pd.DataFrame, store: ItemStore) -> Captioned:
    """Captions through the item store.

    Raises:
        DataError: there is no template, or one lacks its open places.
    """
    if not params.templates:
        raise DataError("captioner has no template; give it at least one under templates")
    exceptions = {c: check_template(t) for c, t in params.condition_templates.items()}
    say = Templates(tuple(map(check_template, params.templates)), exceptions).caption
    code = code_version("pipeline_steps.captions.template")
    pairs = list(zip(study["condition"], study["image_id"], strict=True))
    keys = [
        item_key("caption", code, image=pair[1], sha256=digest, condition=pair[0], template=say(*pair))
        for pair, digest in zip(pairs, study["sha256"], strict=True)
    ]

    def compute(batch: list[int]) -> list[bytes]:
        return [say(*pairs[i]).encode() for i in batch]

    values, use = store.through(keys, compute, _BATCH, "captions")
    return Captioned([v.decode() for v in values], {}, use)


def by_concepts(params: ConceptParams, study: pd.DataFrame, _store: ItemStore) -> Captioned:
    """Captions from annotations; an image without any gets ``plain`` and is counted.

    Raises:
        DataError: a text lacks its open places, or does not fit the text encoder even without concepts.
    """
    count = token_counter(params.tokenizer)
    filling = {
        TOKEN: max(sorted(set(study["condition"])), key=count),
        TONE: max(params.tones.values(), key=count),
    }
    composer = new_composer(params.text, params.plain, params.phrases, count, params.tokenizer.max_tokens, filling)
    made = [composer.compose(json.loads(a or "{}")) for a in study["attributes"]]
    counts = {
        "without_concepts": sum(not c.said for c in made),
        "shortened": sum(c.dropped > 0 for c in made),
        "phrases_said": sum(c.said for c in made),
        "phrases_dropped": sum(c.dropped for c in made),
    }
    return Captioned([c.caption for c in made], counts, Use(0, len(made)))


Say = Callable[[Any, pd.DataFrame, ItemStore], Captioned]
BACKENDS: dict[str, tuple[type[CaptionerParams], Say]] = {
    "template": (TemplateParams, by_template),
    "concepts": (ConceptParams, by_concepts),
}
PARAMS = {backend: model for backend, (model, _) in BACKENDS.items()}


def caption(study: pd.DataFrame, params: CaptionerParams, store: ItemStore) -> Captioned:
    """Captions of all study images.

    Raises:
        DataError: a skin type has no phrase, or the backend can't caption.
    """
    if lacking := [t for t in FITZPATRICK_TYPES if t not in params.tones]:
        raise DataError(f"captioner has no tone phrase for skin type {lacking}; add it under tones")
    return BACKENDS[params.backend][1](params, study, store)


def main() -> None:
    """Command line."""
    args_parser = parser(__doc__, "--subset", "--out", "--metrics")
    args_parser.add_argument("--captioner", required=True)
    args = args_parser.parse_args()
    params = read_tagged(PARAMS, f"captioners.{args.captioner}", "backend")
    table = pd.read_parquet(args.subset)
    study = table[table["role"] == "study"].reset_index(drop=True)
    made = caption(study, params, default_store())
    print(f"captions: {made.use.computed} computed, {made.use.reused} reused")
    with whole_folder(args.out) as out:
        pd.DataFrame({"image_id": study["image_id"], "caption": made.captions}).to_parquet(
            out / "captions.parquet", index=False
        )
        write_metrics(out / "tones.json", {str(t): params.tones[t] for t in FITZPATRICK_TYPES})
    shared = {"captions": len(study), "distinct": len(set(made.captions)), "backend": params.backend}
    write_metrics(args.metrics, {**shared, **made.counts})


if __name__ == "__main__":
    run(main)
