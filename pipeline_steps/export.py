"""Take results away: generated images as a data set, or predictions as CSV.

``python -m pipeline_steps.export images OUT --set CELL``: the accepted images of a generated set as a folder that
``datasets.load_dataset("imagefolder", data_dir=OUT)`` loads, under ids of its own, with a data card, the sources' terms
and whom to cite. ``python -m pipeline_steps.export predictions OUT``: a CSV a classifier, with levels and attributes.
"""

import argparse
import difflib
from pathlib import Path

from pipeline_steps.stage.command import arguments, errors_in_a_line
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_yaml

_EXAMPLE = "example: ./run python -m pipeline_steps.export images my_set --set majority_to_minority-iii-0"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    images = kinds.add_parser("images", help="the accepted images of a generated set")
    images.add_argument("out", type=Path, help="a folder that is not there yet")
    images.add_argument("--set", required=True, metavar="CELL", help="a cell of data/synthetic")
    predictions = kinds.add_parser("predictions", help="what classifiers said of test images")
    predictions.add_argument("out", type=Path, help="a folder that is not there yet")
    predictions.add_argument("--cell", action="append", default=[], help="a cell of data/predictions; repeat for more")
    predictions.add_argument("--own-ids", action="store_true", help="the data set's own image ids, not public ones")
    args = arguments(parser)
    with errors_in_a_line():
        _export(args)


def _export(args: argparse.Namespace) -> None:
    if args.out.exists():
        raise DataError(f"{args.out} is there already: name a folder that is not, or remove it")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    _KINDS[args.kind](args)


def _images(args: argparse.Namespace) -> None:
    from pipeline_steps.exporting.images import export_images

    _known(args.set, "screen", "data/screened")
    with atomic_folder(args.out) as folder:
        found = export_images(args.set, folder)
    print(f"{args.out}: {found.accepted} of {found.generated} images (the rest was not accepted)")
    print(found.terms.said.replace("**", ""))


def _predictions(args: argparse.Namespace) -> None:
    from pipeline_steps.exporting.predictions import write_predictions

    asked = args.cell or read_yaml(Path("cells.yaml"))["cells"]["train_classifier"]
    cells = [_known(cell, "train_classifier", "data/predictions") for cell in asked]
    with atomic_folder(args.out) as folder:
        counts = write_predictions(cells, folder, own_ids=args.own_ids)
    print("\n".join(f"{args.out / name}: {n} test images" for name, n in counts.items()))


def _known(cell: str, group: str, place: str) -> str:
    """``cell``, if the grid has it.

    Raises:
        DataError: it does not, or the run did not make it.
    """
    cells = read_yaml(Path("cells.yaml"))["cells"][group]
    if cell not in cells:
        near = difflib.get_close_matches(cell, cells, 1, 0.4)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        raise DataError(f"cells.yaml has no {group} {cell!r}{meant} It has {', '.join(cells) or 'none'}")
    if not (Path(place) / f"{cell}.parquet").is_file():
        raise DataError(f"{place}/{cell}.parquet is not here: 'dvc pull' brings it, or 'dvc repro' makes it")
    return cell


_KINDS = {"images": _images, "predictions": _predictions}


if __name__ == "__main__":
    main()
