"""Inputs that no test lists, by the thousand: how many were read, how many refused and why, and how many ended badly.

./run python -m benchmarks.fuzz          # images and tables
./run python -m benchmarks.fuzz images --count 20000 --seed 1
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from benchmarks import fuzz_images, fuzz_tables

KINDS: dict[str, Callable[[int, int], dict[str, Any]]] = {"images": fuzz_images.run, "tables": fuzz_tables.run}


def main() -> None:
    """Command line; exit status 1 if any input ended with a traceback."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{' or '.join(KINDS)}; all of them if none is named")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if unknown := [kind for kind in args.kinds if kind not in KINDS]:
        parser.error(f"no kind {', '.join(unknown)}; there is {', '.join(KINDS)}")
    bad = 0
    for kind in args.kinds or KINDS:
        found = KINDS[kind](args.count, args.seed)
        print(f"{kind}, {args.count} files, seed {args.seed}:")
        for name, value in found.items():
            print(f"  {name}: {dict(value) if isinstance(value, dict) else value}")
        bad += sum(found["tracebacks"].values())
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
