"""What an experiment does otherwise than another, measure by measure, and whether intervals can tell.

The statistics are the report's (docs/statistics.md): one draw is paired over test images, several are paired over
draws; where nothing pairs the two, each one's own intervals are all there is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.comparing.difference import (
    BY_INTERVALS,
    IMAGES,
    MEANS,
    OVER_DRAWS,
    OVER_IMAGES,
    SAME,
    Difference,
    Pair,
)
from pipeline_steps.comparing.experiments import Experiment
from pipeline_steps.comparing.paired import paired, same_images
from pipeline_steps.comparing.values import (
    NOTHING,
    Contender,
    augmenters,
    classifiers,
    image_counts,
    image_values,
    level_values,
    mean_values,
    segmenter_values,
    segmenters,
)
from pipeline_steps.measures.images.frechet import FRECHET
from pipeline_steps.reporting.study import correction_share
from pipeline_steps.statistics.draws import corrected_paired_test
from pipeline_steps.statistics.unpaired import Estimate, difference_interval

_TESTS = ("holdout", "test", "test_light")
OTHER_COUNTS = "other counts of images"
COUNTED_ALONE = ("memorised", "rejected")  # measures of images that need no features


def differences(pair: Pair) -> list[Difference]:
    """Of all that both experiments measured."""
    return [
        *_of_classifiers(pair),
        *(d for c, (a, b) in _shared(segmenters(pair.a), segmenters(pair.b)) for d in _of_segmenter(pair, c, a, b)),
        *(d for c, (a, b) in _shared(augmenters(pair.a), augmenters(pair.b)) for d in _of_images(pair, c, a, b)),
    ]


def _shared(a: Mapping[Contender, Any], b: Mapping[Contender, Any]) -> list[tuple[Contender, tuple[Any, Any]]]:
    return [(contender, (cells, b[contender])) for contender, cells in a.items() if contender in b]


def _of_classifiers(pair: Pair) -> Iterator[Difference]:
    for contender, (a, b) in _shared(classifiers(pair.a), classifiers(pair.b)):
        old, new = _measured(pair.a, a, "classification"), _measured(pair.b, b, "classification")
        if not old or not new:
            yield from _of_means(pair, contender, "accuracy")
            continue
        for partition in (p for p in _TESTS if any(p in m for m in old.values()) and any(p in m for m in new.values())):
            values = [
                {draw: level_values(m[partition], pair.minority) for draw, m in measured.items() if partition in m}
                for measured in (old, new)
            ]
            few = _few(pair, old, partition) | _few(pair, new, partition)
            for d in _of_partition(pair, (contender, partition), (a, b), values):
                if pair.column or d.quantity == "all":
                    yield _doubted(d, "too few images") if d.quantity in few else d


def _measured(one: Experiment, cells: Mapping[int, str], kind: str) -> dict[int, dict[str, Any]]:
    """Metrics by draw; none where one of them is not at hand."""
    found = {draw: one.json(f"metrics/{kind}/{cell}.json") for draw, cell in cells.items()}
    return found if all(found.values()) else {}


def _few(pair: Pair, measured: Mapping[int, Mapping[str, Any]], partition: str) -> set[str]:
    counts = [m[partition]["by_level"]["n"] for m in measured.values() if partition in m]
    return {level for n in counts for level, k in n.items() if k < pair.evaluation.minimum_level_images}


def _doubted(d: Difference, why: str) -> Difference:
    return Difference(d.contender, d.partition, d.quantity, d.a, d.b, d.low, d.high, d.how, why)


Head = tuple[Contender, str]  # and the test partition
Values = Sequence[Mapping[int, Mapping[str, Estimate]]]  # of both, by draw and quantity


def _of_partition(
    pair: Pair, head: Head, cells: tuple[Mapping[int, str], Mapping[int, str]], values: Values
) -> Iterator[Difference]:
    """By the best way that there is: over images, over draws, or by intervals."""
    draws = sorted(values[0].keys() & values[1].keys())
    if len(draws) == 1:
        keys = cells[0][draws[0]], cells[1][draws[0]]
        old, new = values[0][draws[0]], values[1][draws[0]]
        files = [f"data/predictions/{key}.parquet" for key in keys]
        if _same(pair, {draws[0]: keys[0]}, {draws[0]: keys[1]}, "data/predictions/{}.parquet"):
            yield from (Difference(*head, q, old[q][0], new[q][0], 0.0, 0.0, SAME) for q in old if q in new)
            return
        tables = [_tests(one, file, head[1]) for one, file in zip((pair.a, pair.b), files, strict=True)]
        if tables[0] is not None and tables[1] is not None and same_images(tables[0], tables[1]):
            for q in (q for q in old if q in new):
                (low, high), doubt = paired(tables[0], tables[1], q, pair.minority, pair.evaluation)
                yield Difference(*head, q, old[q][0], new[q][0], low, high, OVER_IMAGES, doubt)
            return
    elif draws and all(_same_split(pair, head[0], draw) for draw in draws):
        share = _share(pair.b, head, draws)
        yield from _over_draws(head, [{d: v[d] for d in draws} for v in values], share)
        return
    yield from _unpaired(pair, head, values)


def _tests(one: Experiment, file: str, partition: str) -> pd.DataFrame | None:
    table = one.table(file)
    return None if table is None else table[table["partition"] == partition]


def _same_split(pair: Pair, contender: Contender, draw: int) -> bool:
    file = f"data/splits/{contender.scenario}-{draw}.parquet"
    found = [one.outputs.get(file) or one.outputs.get("data/splits") for one in (pair.a, pair.b)]
    return bool(found[0]) and found[0] == found[1]


def _over_draws(head: Head, values: Values, share: float) -> Iterator[Difference]:
    """Nadeau and Bengio's corrected test of the differences, paired by draw."""
    for q in _quantities(values):
        old, new = (np.array([of[q][0] for of in v.values()]) for v in values)
        found = corrected_paired_test(new - old, share)
        yield Difference(*head, q, old.mean(), new.mean(), found["low"], found["high"], OVER_DRAWS)


def _unpaired(pair: Pair, head: Head, values: Values) -> Iterator[Difference]:
    for q in _quantities(values):
        old, new = (
            _over(one, head, {d: of[q] for d, of in v.items()}) for one, v in zip((pair.a, pair.b), values, strict=True)
        )
        yield Difference(*head, q, old[0], new[0], *difference_interval(old, new), BY_INTERVALS)


def _over(one: Experiment, head: Head, by_draw: Mapping[int, Estimate]) -> Estimate:
    """One draw's value with its own interval, or the mean of several with the corrected one."""
    if len(by_draw) == 1:
        return next(iter(by_draw.values()))
    found = corrected_paired_test(np.array([value for value, _, _ in by_draw.values()]), _share(one, head, by_draw))
    return found["mean"], found["low"], found["high"]


def _share(one: Experiment, head: Head, draws: Iterable[int]) -> float:
    """What the correction takes; NaN, so that there is no interval, where the partitions' sizes are not at hand."""
    sizes = one.json("metrics/split.json")
    return correction_share(sizes, head[0].scenario, head[1], draws) if sizes else float("nan")


def _quantities(values: Values) -> list[str]:
    """What all draws of both have."""
    every = [of for v in values for of in v.values()]
    return [q for q in every[0] if all(q in of for of in every)]


def _of_means(pair: Pair, contender: Contender, measure: str) -> Iterator[Difference]:
    old, new = (mean_values(one, contender, measure) for one in (pair.a, pair.b))
    for partition in (p for p in old if p in new):
        for q in (q for q in old[partition] if q in new[partition]):
            yield Difference(contender, partition, q, old[partition][q][0], new[partition][q][0], *NOTHING[1:], MEANS)


def _of_segmenter(pair: Pair, contender: Contender, a: Mapping[int, str], b: Mapping[int, str]) -> Iterator[Difference]:
    old, new = _measured(pair.a, a, "segmentation"), _measured(pair.b, b, "segmentation")
    same = _same(pair, a, b, "metrics/segmentation/{}.json")
    for partition in (p for p in _TESTS if old and new and all(p in m for m in (*old.values(), *new.values()))):
        values = [{d: segmenter_values(m[partition]) for d, m in measured.items()} for measured in (old, new)]
        found = _unpaired(pair, (contender, partition), values)
        yield from (_unchanged(d) if same else d for d in found)


def _of_images(pair: Pair, contender: Contender, a: Mapping[int, str], b: Mapping[int, str]) -> Iterator[Difference]:
    """Of several draws without an interval: a distance is no mean error, which the correction is made for."""
    values = [{d: image_values(o, cell) for d, cell in cells.items()} for o, cells in ((pair.a, a), (pair.b, b))]
    features = [one.params.get("features", {}).get("extractor") for one in (pair.a, pair.b)]
    if features[0] != features[1]:  # distances in other features are other measures
        values = [{d: {q: v for q, v in of.items() if q in COUNTED_ALONE} for d, of in v.items()} for v in values]
    same = _same(pair, a, b, "metrics/fid/{}.json", "metrics/screen/{}.json")
    for q in _quantities(values):
        old, new = ([of[q] for of in v.values()] for v in values)
        single = len(old) == len(new) == 1
        interval = difference_interval(old[0], new[0]) if single else NOTHING[1:]
        before, after = (float(np.mean([value for value, _, _ in side])) for side in (old, new))
        doubt = OTHER_COUNTS if single and q == FRECHET.name and _other_counts(pair, a, b) else ""
        found = Difference(contender, IMAGES, q, before, after, *interval, BY_INTERVALS if single else MEANS, doubt)
        yield _unchanged(found) if same else found


def _other_counts(pair: Pair, a: Mapping[int, str], b: Mapping[int, str]) -> bool:
    """Whether one draw's distances come from other counts of real or generated images, by more than a tenth.

    Of one and the same generator, 60 and 90 images of it gave intervals without 0 in a third of simulations.
    """
    old, new = (image_counts(one, next(iter(cells.values()))) for one, cells in ((pair.a, a), (pair.b, b)))
    return any(max(two) > 1.1 * min(two) for two in zip(old, new, strict=False))


def _same(pair: Pair, a: Mapping[int, str], b: Mapping[int, str], *places: str) -> bool:
    """Whether both recorded the same content under all ``places``, in the same draws."""
    found = [
        [one.outputs.get(place.format(cell), "") for place in places for _, cell in sorted(cells.items())]
        for one, cells in ((pair.a, a), (pair.b, b))
    ]
    return a.keys() == b.keys() and all(found[0]) and found[0] == found[1]


def _unchanged(d: Difference) -> Difference:
    return Difference(d.contender, d.partition, d.quantity, d.a, d.b, 0.0, 0.0, SAME)
