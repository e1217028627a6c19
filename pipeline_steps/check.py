"""Look at the data set of the chosen profile before anything is run: rows, people, pixels, methods, and the cost.

``python -m pipeline_steps.check``: nothing is changed, and nothing leaves this machine. The worst pictures of a sample
are shown on a page, ``runs/check/index.html``. Exit status 1 means that a run would stop; the last lines say why, and
what to do. Rows are looked at as the stages would, by their own functions.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.audit import audit, what_is_missing
from pipeline_steps.checking import methods, pixels, rows
from pipeline_steps.checking.cost import estimate, work
from pipeline_steps.checking.found import Findings, shown
from pipeline_steps.checking.measured import Rate, probe
from pipeline_steps.checking.page import write_page
from pipeline_steps.checking.plan import parameters, tasks
from pipeline_steps.configuration.check import check as check_parameters
from pipeline_steps.configuration.check import checked_cells
from pipeline_steps.configuration.profiles import library, profile_in_use
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.datasets.source import Source
from pipeline_steps.ingest import read_source
from pipeline_steps.parameters.audit import AuditParams
from pipeline_steps.parameters.population import Groups
from pipeline_steps.parameters.split import SplitParams
from pipeline_steps.parameters.subset import SubsetParams
from pipeline_steps.records.skin_scales import ITA, ITA_TYPE
from pipeline_steps.select_subset import select
from pipeline_steps.split import split_all
from pipeline_steps.stage.command import arguments, errors_in_a_line
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import PARAMS_FILE, read_params, read_text, read_yaml

PAGE = Path("runs/check/index.html")
_EXAMPLE = "example: python -m pipeline_steps.check --pixels 200 --probe 0"


def check(args: argparse.Namespace) -> Findings:
    """Look at everything, and say it part by part.

    Raises:
        ParamsError: params.yaml or cells.yaml are wrong, so that there is nothing to look at.
    """
    check_parameters()
    params = read_yaml(PARAMS_FILE)
    ingest, found = read_params(IngestParams, "ingest"), Findings()
    name = profile_in_use(read_text(PARAMS_FILE))
    reads = [place for kind, place in ingest.reads().items() if kind in {"table", "images"} and place != "models/none"]
    found.say("profile", f"{name}: adapter {ingest.adapter}, {', '.join(reads)}")
    try:
        source = read_source(ingest)
    except DataError as error:
        found.stop(f"ingest: {error}")
        return found
    files = _files(source, ingest)
    splits, images = _rows(source, files, params, found)
    _say(found)
    ingested = _pixels(args, source, files, params, found)
    _say(found)
    if args.probe and splits and not found.stops:
        _cost(args, params, splits, (images, ingested), found)
        _say(found)
    return found


def _files(source: Source, ingest: IngestParams) -> list[Path | None]:
    """Where each image lies; rendered ones lie nowhere."""
    folder = Path(getattr(getattr(source.load, "m", None), "images", ingest.reads()["images"]))
    named = getattr(source.load, "files", None) or [name or None for name in source.table["file"]]
    return [folder / name if name and (folder / name).is_file() else None for name in named]


def _rows(
    source: Source, files: list[Path | None], params: dict[str, Any], found: Findings
) -> tuple[dict[tuple[str, int], pd.DataFrame], int]:
    """What the rows say, and the splits that they allow; with the number of images."""
    rendered = params["ingest"]["adapter"] == "phantom"
    there = [rendered or file is not None for file in files]
    masks = getattr(source.load, "masks", None)
    has_mask = [rendered] * len(there) if not masks else [name is not None for name in masks]
    manifest = rows.manifest_of(source, there, has_mask)
    limits, population = read_params(AuditParams, "audit"), _population(params)
    groups = audit(manifest, [], np.full((len(manifest), 3), np.nan), limits)
    try:
        rows.describe(manifest, source.report, population, found)
    except DataError as error:
        found.stop(f"select_subset: {error}")
        return {}, sum(there)
    rows.people(manifest, groups, found)
    rows.blanks(what_is_missing(manifest, groups["group"], limits.missing_facts), found)
    if population.column in {ITA, ITA_TYPE} and not (manifest["skin_scale"] == ITA).any():
        found.say("study", f"people are divided by {population.column}, which audit measures: rows can't tell it")
        return {}, sum(there)
    try:
        table, _ = select(manifest, groups, read_params(SubsetParams, "subset"), population)
    except DataError as error:
        found.stop(f"select_subset: {error}")
        return {}, sum(there)
    rows.study_table(table, population.column, found)
    splits = methods.scenarios(table, read_params(SplitParams, "split"), split_all, found)
    every = library(profile_in_use(read_text(PARAMS_FILE))).params
    attributes = {name for text in manifest["attributes"] for name in json.loads(text)}
    methods.methods(params, every, table[table["role"] == "study"], attributes, found)
    return splits, sum(there)


def _population(params: dict[str, Any]) -> Groups:
    return Groups.model_validate(
        {key: params["population"][key] for key in ("column", "bands", "majority", "minority")}
    )


def _pixels(
    args: argparse.Namespace, source: Source, files: list[Path | None], params: dict[str, Any], found: Findings
) -> float:
    """Look at a sample, and write the page; seconds an image."""
    rendered = params["ingest"]["adapter"] == "phantom"
    there = [rendered or file is not None for file in files]
    positions = pixels.sample(there, 0 if args.all else args.pixels, args.seed)
    if not positions or params["ingest"]["without_images"]:
        found.say("pixels", "there are none to look at: a run gets as far as select_subset and split")
        return 0.0
    limits, size = read_params(AuditParams, "audit"), params["ingest"]["image_size"]
    looked = pixels.look(
        source,
        positions,
        files,
        lambda table, quality: audit(table, [], quality, limits),
        (size, params["screen"]["mask_area"]),
    )
    pixels.describe(looked, sum(there), size, found)
    if looked.worst:
        write_page(
            looked, "The worst pictures of a sample" if len(positions) < sum(there) else "The worst pictures", PAGE
        )
        found.say("pixels", f"the worst of each kind: {PAGE} (photographs: not to be handed on)")
    return looked.seconds / len(positions)


def _cost(
    args: argparse.Namespace,
    params: dict[str, Any],
    splits: dict[tuple[str, int], pd.DataFrame],
    images: tuple[int, float],
    found: Findings,
) -> None:
    """Probe the profile's stages; ``images``: how many there are, and seconds to read one."""
    print(f"probing each stage for a few steps, {args.probe:.0f} seconds at most …", file=sys.stderr, flush=True)
    cells = checked_cells(params)
    small = parameters(params, library("default").params)
    stages = read_yaml(Path("dvc.yaml"))["stages"]
    probed = probe(list(tasks(small, cells, stages)), small, args.probe)
    if "ingest" in probed.rates:
        probed.rates["ingest"] = Rate(0.0, images[1], 0.0)
    train = max(int((table["partition"] == "train").sum()) for table in splits.values())
    estimate(work(params, cells, splits, images[0]), probed, params["ingest"]["image_size"], (images[0], train), found)


def _say(found: Findings) -> None:
    """Print what was found since the last time."""
    print(shown(found.lines), flush=True)
    found.lines.clear()


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=_EXAMPLE
    )
    made.add_argument("--pixels", type=int, default=500, metavar="N", help="pictures to open, drawn by lot (500)")
    made.add_argument("--all", action="store_true", help="open all pictures")
    made.add_argument("--seed", type=int, default=0, help="of the lot (0)")
    made.add_argument("--probe", type=float, default=240, metavar="SECONDS", help="at most for the estimate; 0: none")
    return made


def main() -> None:
    """Command line."""
    with errors_in_a_line():
        found = check(arguments(_parser()))
    if found.lines:
        _say(found)
    if found.stops:
        sys.exit("\n".join(f"a run would stop: {reason}" for reason in found.stops))
    print("nothing in sight that would stop a run: ./run dvc repro")


if __name__ == "__main__":
    main()
