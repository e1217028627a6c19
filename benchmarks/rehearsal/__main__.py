"""How each stage's cost grows with the number of images, at 512 pixels: docs/rehearsal.md and its plot.

All stages run on data sets of 500, 1,000 and 2,000 rendered photographs, after a small one from which the time that
all will take is estimated; then ingest, audit, select_subset, split and caption on Fitzpatrick17k's own table, if it is
in the folder that ``EQUIDERM_REAL_DATA`` names, with as many rendered photographs. What has been measured with the
committed code is not measured again, so that the command goes on where it was cut off. The page is written after each
size.

./run python -m benchmarks.rehearsal
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.__main__ import machine
from benchmarks.rehearsal.material import SIDE, TABLE_SIDE, rows_of, write_model, write_named, write_photographs
from benchmarks.rehearsal.page import PAGE, Conditions, fitzpatrick_part, page, plot
from benchmarks.rehearsal.profiles import generated, of_fitzpatrick17k, of_photographs
from benchmarks.rehearsal.slopes import expected, lines
from benchmarks.rehearsal.workspace import Cost, Workspace, workspace

SHIPPED = Path("models/base/phantom-sd")
SIZES, TRIAL = (500, 1000, 2000), 125
ANNOTATIONS, CONCEPTS = Path("fitzpatrick17k/fitzpatrick17k.csv"), Path("skincon/annotations_fitzpatrick17k.csv")
NAMED = "photographs-fitzpatrick17k"
APART = ("caption", "finetune", "generate")
TABLE_STAGES = ("digest_code", "check_params", "ingest", "audit", "select_subset", "split", "caption")
_SHOWN = set(TABLE_STAGES) - {"digest_code", "check_params"}

# Written by hand after the run whose page is committed; write it anew with another.
ABOUT = ""


@dataclass(frozen=True)
class Rehearsal:
    """The workspaces by number of images, and Fitzpatrick17k's with its rows, or the reason for its absence."""

    by_size: Mapping[int, Workspace]
    table: Workspace | None
    rows: int
    why_not: str

    def known(self) -> dict[int, dict[str, float]]:
        """Seconds on the clock of what has run, by size and stage."""
        places = dict(self.by_size) | ({self.rows: self.table} if self.table else {})
        return {size: {c.stage: c.wall_s for c in w.costs()} for size, w in places.items()}


def arrange(place: Path, real_data: Path, sizes: Sequence[int]) -> Rehearsal:
    """The workspaces, in which nothing has run yet."""
    model = write_model(place / "model", SHIPPED)
    by_size = {n: workspace(place, f"images-{n}", of_photographs(place / f"photographs-{n}", model, n)) for n in sizes}
    annotations, concepts = real_data / ANNOTATIONS, real_data / CONCEPTS
    if not annotations.exists():
        return Rehearsal(by_size, None, 0, f"{ANNOTATIONS} is not in the folder that EQUIDERM_REAL_DATA names")
    overlay = of_fitzpatrick17k(annotations, place / NAMED, concepts if concepts.exists() else None)
    return Rehearsal(by_size, workspace(place, "fitzpatrick17k", overlay), len(rows_of(annotations)), "")


def left(r: Rehearsal, size: int, names: Sequence[str]) -> float:
    """Seconds that the stages ``names`` of a size will take, and all stages of larger ones."""
    known = r.known()
    later = sum(expected(known, stage, n) for n in r.by_size if n > size for stage in known[min(known)])
    return later + sum(expected(known, stage, size) for stage in names)


def rehearse(r: Rehearsal, size: int, place: Workspace, verbs: Sequence[str] = ()) -> None:
    """Run what has not yet run of a workspace, and say what it takes and what is left."""
    done, complete = {cost.stage for cost in place.costs()}, place.results.with_suffix(".complete")
    if complete.exists():
        return
    place.prepare()
    names = place.stages(verbs)
    for k, stage in enumerate(names):
        if stage in done:
            continue
        cost = place.run(stage)
        minutes, later = left(r, size, names[k + 1 :]) / 60, " and Fitzpatrick17k's table" if r.table else ""
        print(
            f"{size:,} images, {k + 1} of {len(names)}: {stage} {cost.wall_s:.0f} s (CPU {cost.cpu_s:.0f} s, "
            f"{cost.peak_mib:,} MiB); about {minutes:.0f} min left{later}",
            flush=True,
        )
    complete.touch()
    place.clear()


def write(r: Rehearsal, before: str) -> None:
    """The page and the plot of what has run so far, the trial left out."""
    measured = {n: _shown(w.costs()) for n, w in r.by_size.items() if n != TRIAL}
    measured = {n: costs for n, costs in measured.items() if costs}
    if not measured:
        return
    found = lines(measured, {n: generated(n) for n in measured}, APART)
    table = [c for c in (r.table.costs() if r.table else []) if c.stage.partition("@")[0] in _SHOWN]
    why_not = r.why_not or ("" if table else "it was not reached")
    every = [c.load for costs in measured.values() for c in costs] + [c.load for c in table]
    conditions = Conditions([*measured], [generated(n) for n in measured], SIDE, before, every)
    PAGE.write_text(page(found, fitzpatrick_part(table, r.rows, TABLE_SIDE, why_not), conditions, ABOUT), "utf-8")
    plot(found, table, r.rows, PAGE.with_suffix(".png"))


def _shown(costs: Sequence[Cost]) -> list[Cost]:
    return [cost for cost in costs if cost.stage not in {"digest_code", "check_params"}]


def main() -> None:
    """Measure what has not been measured, write the page after each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", type=Path, default=Path("cache/rehearsal"), help="where all is drawn and run")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page of what has been measured")
    args = parser.parse_args()
    began, before = time.monotonic(), machine()
    real_data = Path(os.environ.get("EQUIDERM_REAL_DATA", "../shared/data")).resolve()
    r = arrange(args.place.resolve(), real_data, (TRIAL, *SIZES))
    if args.page:
        write(r, before)
        return
    for size, place in r.by_size.items():
        write_photographs(args.place.resolve() / f"photographs-{size}", size)
        rehearse(r, size, place)
        write(r, before)
    if r.table:
        write_named(args.place.resolve() / NAMED, real_data / ANNOTATIONS)
        rehearse(r, r.rows, r.table, TABLE_STAGES)
        write(r, before)
    print(f"{PAGE} is written, {(time.monotonic() - began) / 60:.0f} min after the start", flush=True)


if __name__ == "__main__":
    main()
