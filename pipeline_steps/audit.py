"""Find what must stay together and what looks wrong, before anything is selected or split.

Reads: ``data/dataset``. Writes: ``data/audit/groups.parquet`` (group, quality, flags by image), ``metrics/audit.json``.
Groups join near-duplicates (by embedding: perceptual hashes miss many), identical bytes, patients and lesions.
``missing_facts`` in the metrics says how well the condition is predicted by what is missing alone, ``skin_assigned``
whether levels or conditions differ in who assigned the skin type.
"""

import itertools
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.features.extractors import cached_features
from pipeline_steps.features.neighbours import close_pairs
from pipeline_steps.features.settings import read_extractor
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.numbers import measured_once
from pipeline_steps.items.store import ItemStore, default_store, item_key
from pipeline_steps.parameters.audit import AuditParams, MissingnessParams
from pipeline_steps.pixels.quality import Quality, image_quality
from pipeline_steps.records.groups import merge_groups
from pipeline_steps.records.manifest import PRESENT, UNLABELLED, Dataset, open_dataset, skin_values
from pipeline_steps.records.unknown import is_unknown
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.statistics.missingness import cramers_v, missingness

_SAME = 1e-9  # Cramér's V of shares that don't differ, but for rounding


def audit(
    m: pd.DataFrame, pairs: list[tuple[str, str]], quality: npt.NDArray[np.float64], params: AuditParams
) -> pd.DataFrame:
    """One row an image of the manifest: ``group``, ``duplicate_of`` (identical bytes), ``conflict``, quality, flags.

    ``pairs``: of near-duplicates; ``quality`` (N, 3) as ``pixels.quality`` has it, NaN of images without pixels.
    """
    identical = _links(m, "sha256")
    groups = merge_groups(
        list(m["image_id"]), itertools.chain(pairs, identical, _links(m, "patient_id"), _links(m, "lesion_id"))
    )
    close = merge_groups(list(m["image_id"]), itertools.chain(pairs, identical))
    table = pd.DataFrame({"image_id": m["image_id"], "group": m["image_id"].map(groups)})
    first = m.groupby("sha256")["image_id"].transform("first")
    table["duplicate_of"] = first.where((first != m["image_id"]) & (m["sha256"] != ""), "")
    cluster = m["image_id"].map(close)
    table["conflict"] = m.groupby(cluster)["condition"].transform("nunique") > 1
    return pd.concat([table, _flagged(quality, params).set_index(m.index)], axis=1)


def _links(m: pd.DataFrame, column: str) -> list[tuple[str, str]]:
    """Pairs that share a non-empty value of ``column`` (chained, so that a group of n gives n - 1 pairs)."""
    known = m[m[column] != ""]
    return [p for _, ids in known.groupby(column)["image_id"] for p in itertools.pairwise(ids)]


def _flagged(quality: npt.NDArray[np.float64], params: AuditParams) -> pd.DataFrame:
    """``quality`` in columns, and the flags that its limits give."""
    table = pd.DataFrame(quality.astype(np.float32), columns=list(Quality._fields))
    limits = {
        "blurred": table["sharpness"] < params.blurred_below,
        "dark": table["lightness"] < params.dark_below,
        "bright": table["lightness"] > params.bright_above,
    }
    named = [np.where(applies, flag, "") for flag, applies in limits.items()]
    return table.assign(flags=[" ".join(filter(None, flags)) for flags in zip(*named, strict=True)])


def measure_quality(dataset: Dataset, store: ItemStore) -> npt.NDArray[np.float64]:
    """Quality (N, 3) of each row of the manifest, each image measured once; NaN of rows without pixels."""
    m, code = dataset.manifest, code_version("pipeline_steps.pixels.quality")
    there = (m["image_status"] == PRESENT).to_numpy()
    images = dataset.images(m.loc[there, "image_id"])
    keys = [item_key("quality", code, image=digest) for digest in images.digests]
    quality = np.full((len(m), len(Quality._fields)), np.nan)
    if keys:
        quality[there] = measured_once(keys, lambda i: image_quality(images[i]), store, "quality")
    return quality


def summary(dataset: Dataset, table: pd.DataFrame, pairs: int) -> dict[str, object]:
    """The counts that go into the metrics."""
    study = dataset.manifest["role"] == "study"
    sizes = table.loc[study, "group"].value_counts()
    return {
        "images": int(study.sum()),
        "with_pixels": int((study & (dataset.manifest["image_status"] == PRESENT)).sum()),
        "near_duplicate_pairs": pairs,
        "groups": len(sizes),
        "largest_group": int(sizes.max()) if len(sizes) else 0,
        "identical_bytes": int((table["duplicate_of"] != "")[study].sum()),
        "label_conflicts": int(table.loc[study, "conflict"].sum()),
        "flags": {str(k): int(v) for k, v in table.loc[study, "flags"].value_counts().items() if k},
    }


def missing_facts(manifest: pd.DataFrame) -> pd.DataFrame:
    """Which facts each image lacks, a bool column each: identity, skin type, pixels, mask, annotations.

    An attribute is missing where it is named and blank; which attributes an image has no entry for is a finding (a
    concept that was not seen) and no missing fact, unless it has none at all.
    """
    entries = [json.loads(a) for a in manifest["attributes"]]
    names = sorted({name for entry in entries for name in entry})
    blank = {f"attribute {n}": [is_unknown(str(entry[n])) if n in entry else False for entry in entries] for n in names}
    facts = {
        "skin_type": manifest["skin_value"] == "",
        "patient_id": manifest["patient_id"].map(is_unknown),
        "lesion_id": manifest["lesion_id"].map(is_unknown),
        "pixels": manifest["image_status"] != PRESENT,
        "mask": ~manifest["has_mask"],
        "attributes": [not entry for entry in entries],
    }
    return pd.DataFrame(facts | blank, index=manifest.index).astype(bool)


def what_is_missing(manifest: pd.DataFrame, groups: pd.Series, params: MissingnessParams) -> dict[str, object]:
    """How well what labelled study images lack predicts their condition."""
    rows = (manifest["role"] == "study") & (manifest["condition"] != UNLABELLED)
    labelled = manifest[rows]
    return missingness(missing_facts(labelled), labelled["condition"], groups[rows], params)


def who_assigned(manifest: pd.DataFrame) -> dict[str, Any]:
    """Who assigned skin, and on which scale: how many labelled study images, by level and by condition.

    ``cramers_v``: how far that differs between levels and between conditions (0 to 1); null where all have one source.
    """
    rows = manifest[(manifest["role"] == "study") & (manifest["skin_scale"] != "")]
    source = (rows["skin_scale"] + " by " + rows["skin_assigner"].replace("", "nobody named")).astype(str)
    found: dict[str, Any] = {"sources": _tally(source), "cramers_v": None}
    if source.nunique() < 2:
        return found
    parts = {"level": skin_values(rows), "condition": rows["condition"]}
    codes = {name: np.unique(part.to_numpy(str), return_inverse=True)[1] for name, part in parts.items()}
    who = np.unique(source.to_numpy(str), return_inverse=True)[1]
    return found | {
        "cramers_v": {name: cramers_v(who, code) if code.max() else 0.0 for name, code in codes.items()},
        **{f"by_{name}": {str(k): _tally(of) for k, of in source.groupby(part)} for name, part in parts.items()},
    }


def _tally(values: pd.Series) -> dict[str, int]:
    return {str(value): int(n) for value, n in values.value_counts().sort_index().items()}


def _of_whom(found: dict[str, Any]) -> str:
    """What to say where levels or conditions differ in who assigned the skin; nothing where they don't."""
    differ = [f"{name}s (Cramér's V {v:.2f})" for name, v in (found["cramers_v"] or {}).items() if v > _SAME]
    if not differ:
        return ""
    sources = ", ".join(f"{source} {n}" for source, n in found["sources"].items())
    return (
        f"warning: who assigned the skin type differs between {' and '.join(differ)}: {sources}. A difference between "
        "these may be one of who looked; more under skin_assigned in metrics/audit.json"
    )


def _warning(found: dict[str, Any]) -> str:
    facts = sorted(found["facts"].items(), key=lambda fact: -fact[1]["cramers_v"])
    named = ", ".join(f"{name} {fact['cramers_v']:.2f}" for name, fact in facts[:3])
    return (
        f"warning: what is missing predicts the condition (p {found['p']:.3f}): balanced accuracy from blanks alone "
        f"{found['balanced_accuracy']:.3f}, by chance {found['chance']:.3f}; Cramér's V: {named}. To leave out images "
        "with blanks changes the conditions' shares; more under missing_facts in metrics/audit.json"
    )


def find_pairs(dataset: Dataset, threshold: float) -> list[tuple[str, str]]:
    """Near-duplicate pairs of study images that have pixels, by cosine similarity of features."""
    m = dataset.manifest
    ids = list(m.loc[(m["image_status"] == PRESENT) & (m["role"] == "study"), "image_id"])
    if not ids:
        return []
    features, _ = cached_features(read_extractor(), dataset.images(ids), default_store())
    return [(ids[i], ids[j]) for i, j in close_pairs(features, threshold)]


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--dataset", "--out", "--metrics").parse_args()
    use_threads(read_params(Threads, "scoring").threads)
    params = read_params(AuditParams, "audit")
    dataset = open_dataset(args.dataset)
    pairs = find_pairs(dataset, params.near_duplicate_similarity)
    table = audit(dataset.manifest, pairs, measure_quality(dataset, default_store()), params)
    with atomic_file(args.out) as temporary:
        table.to_parquet(temporary, index=False)
    missing = what_is_missing(dataset.manifest, table["group"], params.missing_facts)
    if missing["predicts_label"]:
        print(_warning(missing), flush=True)
    assigned = who_assigned(dataset.manifest)
    if said := _of_whom(assigned):
        print(said, flush=True)
    found = summary(dataset, table, len(pairs)) | {"missing_facts": missing, "skin_assigned": assigned}
    write_metrics(args.metrics, found)


if __name__ == "__main__":
    run(main)
