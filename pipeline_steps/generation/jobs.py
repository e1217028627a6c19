"""Images to make: of which sources, how many of each, for which level of the population; and the images made."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from pipeline_steps.items.store import item_seed
from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.records.populations import MINORITY, targets
from pipeline_steps.records.privacy import public_id
from pipeline_steps.records.slugs import slug

J = TypeVar("J", bound=JobParams)


def aimed(params: J, minority: Sequence[str]) -> J:
    """``params`` whose ``target_levels`` are levels: the minority's unless they are named."""
    return params.model_copy(update={"target_levels": targets(params.target_levels, minority)})


@dataclass(frozen=True)
class Inputs:
    """Folders and files that ``generate`` reads; ``models/none`` where an augmenter needs none."""

    dataset: Path
    split: Path
    captions: Path
    tokens: Path
    adapter: Path


@dataclass(frozen=True)
class Job:
    """One image to make.

    ``seed`` comes from the source's pixels, copy and the augmenter's seed: augmenters share noise, and a renamed
    source changes nothing. ``source_id`` is the data set's own name of the source and stays within the data folder;
    ``public_id`` is its name everywhere else.
    """

    file_name: str
    condition: str
    source_id: str
    source_level: str
    target_level: str
    copy: int
    seed: int
    public_id: str

    def shown(self) -> dict[str, object]:
        """Its row in ``metadata.csv``: the source has its public id there."""
        facts = asdict(self)
        return facts | {"source_id": facts.pop("public_id")}


@dataclass(frozen=True)
class GeneratedImages:
    """PNG ``files`` and ``prompts`` (empty where nothing is prompted) in the order of their jobs.

    Files and masks may be read or made when they are asked for, so that they are not all in memory at once.

    ``origin`` holds what else each file says of itself: the digests of the models behind it, and ``short_prompt`` where
    a second text encoder had a shorter one; ``maker``: the models in words. ``masks``: grey PNG files of the lesions,
    of modes that know where those are; else none.
    """

    files: Sequence[bytes]
    prompts: Sequence[str]
    origin: Sequence[dict[str, str]]
    maker: str
    reused: int
    computed: int
    masks: Sequence[bytes] = ()


def plan_jobs(train: pd.DataFrame, params: JobParams) -> list[Job]:
    """The jobs of all sources: a source of a target level keeps it, any other gets one by ``level_choice``.

    Targets are levels, as ``aimed`` gives them: a source known by its group alone gets one by ``level_choice``, too.
    ``max_sources`` > 0 takes that many sources, spread evenly over the conditions.
    """
    assert params.target_levels != MINORITY, "aimed() says which levels the minority is"
    levels = targets(params.target_levels, ())
    jobs = []
    source: Any
    for source in _sources(train, params.max_sources).itertuples():
        for copy in range(params.images_per_source):
            key = hashlib.sha256(f"{params.seed} {source.sha256} {copy}".encode()).hexdigest()
            own, seed = source.level, item_seed(key)
            target = own if own in levels else _target(params, levels, source.sha256, copy, seed)
            public = public_id(source.image_id, source.sha256)
            name = f"{slug(source.condition)}/{public}-{slug(target)}-{copy}.png"
            jobs.append(Job(name, source.condition, source.image_id, own, target, copy, seed, public))
    return jobs


def _target(params: JobParams, levels: tuple[str, ...], source: str, copy: int, seed: int) -> str:
    """One of ``levels`` by ``level_choice``."""
    if params.level_choice == "random":
        return levels[int(np.random.default_rng(seed).integers(len(levels)))]
    first = int(hashlib.sha256(f"{params.seed} {source} first".encode()).hexdigest(), 16)
    return levels[(first + copy) % len(levels)]


def _sources(train: pd.DataFrame, most: int) -> pd.DataFrame:
    if most <= 0 or most >= len(train):
        return train
    rank = train.groupby("condition").cumcount()
    return train.assign(rank=rank).sort_values(["rank", "condition"], kind="stable").head(most).drop(columns="rank")
