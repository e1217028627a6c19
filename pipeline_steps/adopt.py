"""Make a profile of a folder with photographs and a table: which column says what is guessed, and shown.

``python -m pipeline_steps.adopt ~/photographs``: a CSV, TSV, Excel or Parquet table in the folder, or a folder for each
condition. What can't be known is asked for by a flag. It writes ``config/profiles/NAME.yaml`` and, where the table is
no delimited text in UTF-8 or its labels are codes, ``adopted/NAME.csv``, which git ignores. Nothing else is
written, and nothing in the folder is changed.
"""

import argparse
from pathlib import Path

from pipeline_steps.adopting.adoption import ROLES, adopt
from pipeline_steps.stage.command import arguments, errors_in_a_line

_EXAMPLE = "example: python -m pipeline_steps.adopt ~/photographs --condition Diagnose --name clinic"


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=_EXAMPLE
    )
    made.add_argument("folder", type=Path, metavar="FOLDER", help="holds the photographs and their table")
    made.add_argument("--table", help="the table in FOLDER, where there are several, or its path")
    made.add_argument("--sheet", default="", help="of an Excel workbook with several")
    made.add_argument("--images", help="the pictures' folder, relative to FOLDER")
    for flag, role in ROLES.items():
        made.add_argument(f"--{flag.replace('_', '-')}", metavar="COLUMN", default="", help=f"column: {role} (or none)")
    made.add_argument(
        "--assigned-by", metavar="WHO", default="", help="the skin types: self, clinician, expert, crowd ..."
    )
    made.add_argument("--attributes", metavar="A,B", default="", help="other columns to keep: sex, age, site ...")
    made.add_argument("--codes", metavar="CODE=NAME,...", default="", help="what labels mean: nev=nevus,mel=melanoma")
    made.add_argument(
        "--divide", metavar="COLUMN", default="", help="whom to compare, in place of skin types: sex, site"
    )
    made.add_argument("--majority", metavar="A,B", default="", help="levels that are well represented, such as 1,2")
    made.add_argument("--minority", metavar="A,B", default="", help="levels to make images for, such as 5,6")
    made.add_argument("--conditions", metavar="A,B", default="", help="conditions to study, in small letters")
    made.add_argument("--like", metavar="PROFILE", default="", help="take another profile's scale: toy, paper ...")
    made.add_argument("--name", default="", help="of the profile; the folder's, if it is not given")
    made.add_argument("--replace", action="store_true", help="write a profile anew that is there")
    return made


def main() -> None:
    """Command line."""
    with errors_in_a_line():
        adopt(arguments(_parser()))


if __name__ == "__main__":
    main()
