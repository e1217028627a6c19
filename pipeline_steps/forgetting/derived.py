"""Which outputs hold an image or were made by something that saw it: now, and in what DVC keeps of earlier runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from pipeline_steps.forgetting.runs import Cache, Run
from pipeline_steps.records.privacy import public_id

MANIFEST = "manifest.parquet"
_DATASET = "data/dataset"
# What every stage reads of all images; whether a stage's output is derived from one of them its split says.
_COMMON = (_DATASET, "data/audit", "data/subset", "data/splits", "data/captions")
# What stages made of a data set's images, by where it lies; and what ingest reads where images are rendered by code.
_MADE = ("data/", "models/tokens", "models/adapters", "models/classifier", "models/segmenter")
_NOT_OF_IMAGES = "data/params_checked.txt"
_PHANTOM = "pipeline_steps/datasets/phantom"
# Partitions whose images shape what a stage writes. Of others (another split's test images) nothing gets there.
_SHAPING = {
    "invert_tokens": {"train"},
    "finetune": {"train", "validation"},
    "generate": {"train"},
    "screen": {"train", "validation", "reference"},
    "score_fid": {"train", "reference"},
    "train_classifier": {"train", "validation"},
    "train_segmenter": {"train", "validation"},
    "evaluate": {"test", "test_light", "holdout"},
}


@dataclass
class Identity:
    """An image under all names that manifests ever gave it (pixels change with ``ingest.image_size``)."""

    image_id: str
    public: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


def identities(cache: Cache, runs: Sequence[Run]) -> dict[str, Identity]:
    """All images that any manifest knows, the present one or an earlier one that DVC keeps, by their own ids."""
    known: dict[str, Identity] = {}
    contents = {(md5, p) for run in runs for p, md5 in run.outs.items() if p == _DATASET}
    contents |= {(md5, "") for md5, members in cache.folders.items() if MANIFEST in members}
    for md5, path in sorted(contents):
        manifest = cache.table(md5, path, MANIFEST)
        rows = manifest if manifest is not None else pd.DataFrame(columns=["image_id", "sha256", "file"])
        for image_id, digest, file in zip(rows["image_id"], rows["sha256"], rows["file"], strict=True):
            found = known.setdefault(image_id, Identity(image_id))
            found.public.add(public_id(image_id, digest))
            found.digests |= {digest} - {""}
            found.files |= {file} - {""}
    return known


def derived_runs(cache: Cache, runs: Sequence[Run], who: Sequence[Identity]) -> list[Run]:
    """The runs whose outputs hold one of the images ``who`` or were made by something that saw it.

    Where a record's table is no longer to be had, its outputs count as derived: nothing is kept for want of knowledge.
    Only if all that it read goes back to rendered images (as in the results that are committed) it is none's.
    """
    rendered = _of_rendered_images(runs)
    ids, holding = {one.image_id for one in who}, dict[str, bool]()
    derived: set[str] = set()

    def holds(md5: str, path: str, within: str = "", partitions: frozenset[str] = frozenset()) -> bool:
        key = f"{md5} {within} {sorted(partitions)}"
        if key not in holding:
            table = cache.table(md5, path, within)
            holding[key] = _holds(table, ids, partitions) and not (table is None and md5 in rendered)
        return holding[key]

    def is_derived(run: Run) -> bool:
        if run.stage == "ingest":
            return any(holds(md5, p, MANIFEST) for p, md5 in run.outs.items() if p == _DATASET)
        if any(md5 in derived for p, md5 in run.deps.items() if not p.startswith(_COMMON)):
            return True
        if any(_names(cache, cache.folders.get(md5, {}), who) for md5 in run.outs.values()):
            return True
        if (split := run.split) is not None and run.stage in _SHAPING:
            return holds(split[1], split[0], partitions=frozenset(_SHAPING[run.stage]))
        return any(md5 in derived for p, md5 in run.deps.items() if p.startswith(_COMMON))

    found: set[int] = set()
    grew = True
    while grew:  # until nothing more follows from what is known
        new = {i for i, run in enumerate(runs) if i not in found and is_derived(run)}
        derived |= {md5 for i in new for md5 in runs[i].outs.values()}
        found, grew = found | new, bool(new)
    return [runs[i] for i in sorted(found)]


def _of_rendered_images(runs: Sequence[Run]) -> set[str]:
    """Contents that were made of images which code rendered, and of nothing else that a run here made."""
    made = {md5 for run in runs for md5 in run.outs.values()}
    rendered = {md5 for run in runs if run.stage == "ingest" and _PHANTOM in run.deps for md5 in run.outs.values()}
    rendered -= {md5 for run in runs if run.stage == "ingest" and _PHANTOM not in run.deps for md5 in run.outs.values()}
    grew = True
    while grew:
        new = set[str]()
        for run in runs:
            read = {md5 for p, md5 in run.deps.items() if p.startswith(_MADE) and p != _NOT_OF_IMAGES}
            if read & rendered and not (read & made) - rendered:
                new |= read | {*run.outs.values()}  # what it read and nobody made is a file of a folder that was made
        grew = bool(new - rendered)
        rendered |= new
    return rendered


def _holds(table: pd.DataFrame | None, who: set[str], partitions: frozenset[str]) -> bool:
    if table is None:
        return True
    mine = table[table["image_id"].isin(who)]
    return bool(mine["partition"].isin(partitions).any()) if partitions else bool(len(mine))


def made_from(metadata: pd.DataFrame, names: set[str]) -> int:
    """How many generated images have one of ``names`` (public or own ids) for their source."""
    return int(metadata["source_id"].astype(str).isin(names).sum())


def cached_objects(cache: Cache, runs: Sequence[Run], derived: Sequence[Run], who: Sequence[Identity]) -> set[str]:
    """Contents in DVC's cache that belong to derived outputs, and to no other output.

    Beside those of recorded runs: folders without a record that hold a manifest with the image, or files named by it.
    """
    marked = {md5 for run in derived for md5 in run.outs.values()}
    others = {md5 for run in runs for md5 in run.outs.values()} - marked
    marked |= {md5 for md5, members in cache.folders.items() if md5 not in others and _names(cache, members, who)}
    kept = others | {m for md5 in others for m in cache.folders.get(md5, {}).values()}
    everything = marked | {m for md5 in marked for m in cache.folders.get(md5, {}).values()}
    return {md5 for md5 in everything - kept if cache.object(md5).is_file()}


def _names(cache: Cache, members: dict[str, str], who: Sequence[Identity]) -> bool:
    if MANIFEST in members:
        table = cache.table(members[MANIFEST], "")
        return table is not None and _holds(table, {one.image_id for one in who}, frozenset())
    names = {name for one in who for name in (*one.public, one.image_id)}
    return any(path.rsplit("/", 1)[-1].startswith(f"{name}-") for path in members for name in names)
