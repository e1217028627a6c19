"""What a run would take, by what a probe measured: an estimate of hours, disk and memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import psutil

from pipeline_steps.checking.found import Findings
from pipeline_steps.checking.measured import Probed, Rate
from pipeline_steps.configuration.cells import Cells

_DVC_S = 1.5  # a stage, on two cores
_LIGHT = ("ingest", "select_subset", "split")  # which import no torch
_LIGHT_S = 2.0
_KEPT = 2  # copies of each output: in its place, and in DVC's cache


class Work(NamedTuple):
    """A kind of work of a run: how many stages do it, and how many units each on average, called so."""

    kind: str
    stages: int
    units: float
    what: str


def work(
    params: Mapping[str, Any], cells: Cells, splits: Mapping[tuple[str, int], pd.DataFrame], images: int
) -> list[Work]:
    """All that a run of the profile does."""
    train = {f"{s}-{d}": int((rows["partition"] == "train").sum()) for (s, d), rows in splits.items()}
    conditions = len(params["subset"]["conditions"])
    found = [Work("ingest", 1, images, "images"), Work("audit", 1, images, "images")]
    found += [Work(kind, 1, 1, "") for kind in ("select_subset", "split")]
    found += [Work(f"caption {name}", 1, 1, "") for name in cells["caption"]]
    for stage, section, key in (("invert_tokens", "inversions", "inversion"), ("finetune", "adapters", "adapter")):
        for name, n in _by(cells[stage], key).items():
            entry = params[section][name]
            steps = entry["training"]["steps"] * (1 if entry.get("joint", True) else conditions)
            found.append(Work(f"{stage} {name}", len(n), steps, "steps"))
    for name, of in _by(cells["generate"], "augmenter").items():
        a = params["augmenters"][name]
        sources = [min(train[c["split"]], a["max_sources"] or train[c["split"]]) for c in of]
        each = sum(sources) * a["images_per_source"] / len(of)
        found.append(Work(f"generate {name}", len(of), each, "images"))
        if any(f"{name}-{c['split']}" in cells["screen"] for c in of):
            found += [Work(f"{stage} {name}", len(of), each, "images") for stage in ("screen", "score_fid")]
    for name, of in _by(cells["train_classifier"], "architecture").items():
        found.append(Work(f"train_classifier {name}", len(of), params["classifier"]["updates"], "updates"))
        found.append(Work(f"evaluate {name}", len(of), 1, ""))
    if segmenters := len(cells["train_segmenter"]):
        found.append(Work("train_segmenter", segmenters, params["segmenter"]["updates"], "updates"))
    return found


def _by(cells: Mapping[str, dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for cell in cells.values():
        grouped.setdefault(cell[key], []).append(cell)
    return grouped


def estimate(works: Sequence[Work], probed: Probed, size: int, images: tuple[int, int], found: Findings) -> None:
    """Say what a run takes, a line a stage, then in all; ``images``: of the data set, and the most that one trains on.

    ``size``: their side in pixels.
    """
    found.say("run", f"{'stage':<18}{'stages':>7}{'work':>18}{'seconds each':>14}{'hours':>9}")
    hours, unknown, stages = 0.0, dict[str, str](), 0
    for stage, of in _by_stage(works):
        known = [(w, probed.rates[w.kind]) for w in of if w.kind in probed.rates]
        unknown |= {w.kind: probed.failed.get(w.kind, "not probed") for w in of if w.kind not in probed.rates}
        n = sum(w.stages for w in of)
        stages += n
        took = sum(_seconds(w, rate, probed.start) for w, rate in known) / 3600
        hours += took
        units, what = sum(w.stages * w.units for w in of), of[0].what
        each = sum(w.stages * w.units * rate.each for w, rate in known) / max(1, units)
        done = f"{units:,.0f} {what}" if what else ""
        cost = (f"{each:.3g}" if what else ""), (f"{took:.2f}" if len(known) == len(of) else "?")
        found.say("run", f"{stage:<18}{n:>7}{done:>18}{cost[0]:>14}{cost[1]:>9}")
    for why in dict.fromkeys(unknown.values()):
        kinds = [kind for kind, said in unknown.items() if said == why]
        found.say("run", f"not measured: {', '.join(kinds[:3])}{' …' * (len(kinds) > 3)}: {why[:110]}")
    least = "at least " if unknown else ""
    found.say("run", f"{least}{hours:.1f} hours for {stages} stages one after another, and the report")
    _room(works, probed, size, images, found)


def _by_stage(works: Sequence[Work]) -> Iterator[tuple[str, list[Work]]]:
    grouped: dict[str, list[Work]] = {}
    for one in works:
        grouped.setdefault(one.kind.partition(" ")[0], []).append(one)
    yield from grouped.items()


def _seconds(w: Work, rate: Rate, start: float) -> float:
    begins = _LIGHT_S if w.kind in _LIGHT else start
    return w.stages * (_DVC_S + begins + rate.fixed + w.units * rate.each)


def _room(works: Sequence[Work], probed: Probed, size: int, images: tuple[int, int], found: Findings) -> None:
    """Disk and memory that a run needs, beside what there is."""
    outputs = images[0] * size * size * 4.0  # three colours and a mask
    for w in works:
        if w.kind in probed.rates:
            of = w.units if w.kind.startswith("generate ") else 1
            outputs += w.stages * of * probed.rates[w.kind].size
    needed, free = _KEPT * outputs / 1e9, psutil.disk_usage(".").free / 1e9
    memory = probed.peak_mib / 1024 + images[1] * size * size * 3 / 2**30
    there = psutil.virtual_memory().total / 2**30
    gpu = f"; GPU memory {probed.gpu_mib / 1024:.1f} GiB" if probed.gpu_mib else ""
    found.say(
        "run",
        f"disk {needed:.2f} GB with DVC's copies ({free:.0f} GB are free); memory {memory:.1f} GiB a stage "
        f"(this machine has {there:.0f}){gpu}",
    )
    cores, load = psutil.cpu_count() or 1, psutil.getloadavg()[0]
    found.say(
        "run", f"an estimate: from a probe of {probed.seconds:.0f} s on this machine ({cores} cores), rendered images"
    )
    if load > cores + 1:
        found.say("run", f"other programs use this machine now (load {load:.0f} on {cores} cores): alone it is faster")
    if needed > free:
        found.stop(
            f"the run writes about {needed:.0f} GB, and {free:.0f} GB are free: make room, or take a smaller grid"
        )
    if memory > there:
        found.stop(f"a stage needs about {memory:.0f} GiB of memory, and there are {there:.0f}: lower batch sizes")
