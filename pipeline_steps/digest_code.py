"""List the code of each stage: the digests of all files that it can import.

Reads: ``pipeline_steps``. Writes: ``data/code/<stage>.json``, on which each stage depends instead of on a
list of files: it runs again when code changed that it can run, and not when a sentence did, or a file that it never
imports.
"""

import json
from pathlib import Path

from pipeline_steps.items.closure import ROOT, closure_digests
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.run import parser, run


def commands() -> list[str]:
    """The modules beside this one that are run: the stages, and some that are no stage."""
    files = sorted((ROOT / "pipeline_steps").glob("*.py"))
    return [f.stem for f in files if f != Path(__file__) and '__name__ == "__main__"' in f.read_text("utf-8")]


def digest_code(out: Path) -> None:
    """Write a file a command: SHA-256 by file name."""
    for name in commands():
        digests = closure_digests(f"pipeline_steps.{name}")
        (out / f"{name}.json").write_text(json.dumps(digests, indent=1) + "\n", "utf-8")


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--out").parse_args()
    with atomic_folder(args.out) as out:
        digest_code(out)


if __name__ == "__main__":
    run(main)
