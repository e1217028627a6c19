"""Compare two experiments: what was changed, and what it did to each group of people, with intervals.

``python -m pipeline_steps.compare A [B]``: git revisions, DVC experiments, or ``workspace``; without B, A is compared
with the workspace, without A the last commit. Ten lines at most; where more differs, all of it is in a page,
``runs/comparison.html`` or ``--page FILE.html``. ``--all`` prints every line, ``--json`` every number. Nothing is
computed anew: it reads what git, DVC's cache and DVC's remote have.
"""

import argparse
import json
from pathlib import Path

from pipeline_steps.comparing.comparison import compare
from pipeline_steps.comparing.experiments import WORKSPACE
from pipeline_steps.comparing.words import all_lines, leaves_out, lines
from pipeline_steps.stage.command import arguments, errors_in_a_line
from pipeline_steps.stage.outputs import atomic_file

PAGE = Path("runs/comparison.html")
_EXAMPLE = "example: ./run python -m pipeline_steps.compare main longer --page comparison.html"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("a", nargs="?", default="HEAD", help="the older one (default: the last commit)")
    parser.add_argument("b", nargs="?", default=WORKSPACE, help="the newer one (default: the workspace)")
    parser.add_argument("--all", action="store_true", help="a line for everything, however many there are")
    parser.add_argument("--json", action="store_true", help="every number, as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE.html", help="write a page, too")
    args = arguments(parser)
    with errors_in_a_line():
        _compare(args)


def _compare(args: argparse.Namespace) -> None:
    found = compare(args.a, args.b)
    short = not (args.all or args.json)
    if file := args.page or (PAGE if short and leaves_out(found) else None):
        from pipeline_steps.comparing.page import page

        with atomic_file(file) as temporary:
            temporary.write_text(page(found), "utf-8")
    if args.json:
        print(json.dumps(found.as_json(), indent=1, ensure_ascii=False, default=str))
    else:
        print("\n".join(lines(found, str(file)) if short else all_lines(found)))


if __name__ == "__main__":
    main()
