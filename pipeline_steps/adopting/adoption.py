"""From a folder to a profile: what lies there is read, said, and written down."""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline_steps.adopting import shown
from pipeline_steps.adopting.codes import named, parsed
from pipeline_steps.adopting.images import Images, images, levels
from pipeline_steps.adopting.pictures import Pictures, look_into
from pipeline_steps.adopting.profile import Files, places, title, write
from pipeline_steps.adopting.roles import Guess, attributes, guess, skin_type_of
from pipeline_steps.adopting.study import Study, choose, counts
from pipeline_steps.adopting.tables import CLASS_FOLDERS, Table, class_folders, read_table, tables_in
from pipeline_steps.adopting.words import plain_name
from pipeline_steps.records.populations import SKIN_TYPE, level_text
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.outputs import atomic_file

ROLES = {
    "file": "file",
    "condition": "condition",
    "skin_type": "skin type",
    "patient": "patient",
    "lesion": "lesion",
    "mask": "mask",
}  # by flag


def adopt(args: argparse.Namespace) -> None:
    """Look into a folder, say what was found, and write a profile.

    Raises:
        DataError: something must be told, or mended; no profile is written.
    """
    if not args.folder.is_dir():
        raise DataError(f"{args.folder} is no folder: name the one that holds the photographs and their table")
    name = args.name or plain_name(args.folder.resolve().name)
    files = places(name, replace=args.replace)
    pictures = _pictures(args)
    table = _table(args, pictures)
    roles = guess(table.cells, pictures, {role: said for flag, role in ROLES.items() if (said := getattr(args, flag))})
    told = attributes(table.cells, roles, _parts(args.attributes))
    if args.divide:
        told = list(dict.fromkeys([*told, *attributes(table.cells, roles, [args.divide])]))
    print("\n".join(shown.found(table, pictures, roles, told)))
    naming = named(table.cells[roles["condition"].column].unique(), parsed(args.codes))
    for line in shown.names(naming):
        print(line)
    found = images(table, pictures, roles, told, naming)
    study = _chosen(args, found, lambda: _nobody(roles, found, files, table))
    own = {"like": args.like, "assigner": args.assigned_by, "head": _head(args, table, title(study))}
    _say(write(files, found, study, root=pictures.root, **own), found)


def _chosen(args: argparse.Namespace, found: Images, nobody: Callable[[], str]) -> Study:
    """Say how many images there are of whom, and choose a study among them; ``nobody``: why there is none to choose."""
    division, level = args.divide or SKIN_TYPE, levels(found.rows, args.divide or "skin_type")
    print("\n".join(shown.condition_by_level(found, level, division)))
    if not level.any():
        raise DataError(nobody())
    there = found.rows["there"].astype(bool) & (found.rows["label"] != "")
    ends = _levels(args.majority, args.divide), _levels(args.minority, args.divide)
    study = choose(counts(found.rows["label"][there], level[there]), division, ends, _parts(args.conditions))
    print("\n".join(shown.study(study)))
    return study


def _say(written: Files, found: Images) -> None:
    lines = len(written.profile.read_text("utf-8").splitlines())
    print(f"wrote {written.profile} ({lines} lines)")
    if written.table:
        print(
            f"wrote {written.table} ({len(found.rows)} rows), which ingest reads in place of your table: {found.why}. "
            "git ignores it; when your table changes, run this again with --replace"
        )
    print(f"next: ./run python -m pipeline_steps.configure {written.profile.stem}")
    print("then: ./run python -m pipeline_steps.check")


def _nobody(roles: dict[str, Guess], found: Images, files: Files, table: Table) -> str:
    """That nothing says whom to compare; where there is no table, one to fill in is written."""
    fact = f"nothing says the skin type of an image ({roles['skin type'].reason})"
    flags = "name a column of skin types by --skin-type, or another one that divides people (sex, site) by --divide"
    if table.place != CLASS_FOLDERS or files.table is None:
        return f"{fact}, so that there is nobody to compare: {flags}"
    if not files.table.exists():  # what somebody has filled in is not written anew
        with atomic_file(files.table) as temporary:
            found.rows.drop(columns="there").to_csv(temporary, index=False)
    return (
        f"{fact}, so that there is nobody to compare: fill in the column skin_type (1 to 6, or I to VI) of "
        f"{files.table}, which has a row a picture, and run this again with --table {files.table} --replace"
    )


def _pictures(args: argparse.Namespace) -> Pictures:
    folder = args.folder / args.images if args.images else args.folder
    if not folder.is_dir():
        raise DataError(f"--images {args.images}: there is no folder {folder}")
    pictures = look_into(folder)
    if not pictures.photographs:
        unread = f" (and {len(pictures.unread)} files such as {pictures.unread[0]})" if pictures.unread else ""
        raise DataError(
            f"{folder} holds no JPEG, PNG, TIFF or WebP{unread}: name the folder that does, or save them as JPEG"
        )
    return pictures


def _table(args: argparse.Namespace, pictures: Pictures) -> Table:
    """The table that was named; the one whose rows name pictures; or the folders."""
    if args.table:
        inner = args.folder / args.table
        return read_table(inner if inner.is_file() else Path(args.table), args.sheet)
    files = tables_in(args.folder)
    if not files:
        return class_folders(pictures)
    if len(files) == 1:
        return read_table(files[0], args.sheet)
    fitting, wrong = [], []
    for file in files:
        try:
            table = read_table(file, args.sheet)
            guess(table.cells, pictures, {role: "none" for role in ROLES.values() if role != "file"})
            fitting.append(table)
        except DataError as error:
            wrong.append(str(error))
    if len(fitting) == 1:
        return fitting[0]
    raise DataError(
        f"{args.folder} holds {len(files)} tables, of which {len(fitting)} name its pictures "
        f"({', '.join(t.place for t in fitting) or wrong[0]}): name the one to read by --table"
    )


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _levels(text: str, divide: str) -> list[str]:
    """Levels as the study counts them: skin types by their digit, whatever numeral."""
    if divide:
        return [level_text(part) for part in _parts(text)]
    try:
        return [skin_type_of(part) for part in _parts(text)]
    except ValueError as error:
        raise DataError(f"--majority and --minority: {error}; write them as 1,2 or I,II") from None


def _head(args: argparse.Namespace, table: Table, what: str) -> str:
    like = f" At the scale of {args.like}." if args.like else ""
    own = shlex.join(["python", "-m", "pipeline_steps.adopt", *sys.argv[1:]])
    return f"Own photographs: {what}, {len(table.cells)} images.{like}\nMade by {own}"
