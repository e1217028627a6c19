"""List the code of each stage: the digests of all files that it can import.

Reads: ``pipeline_steps``, ``dvc.yaml``. Writes: ``data/code/<stage>.json``, on which each stage depends instead of on a
list of files: it runs again when code changed that it can run, and not when a sentence did, or a file that it never
imports.
"""

import json
import re
from pathlib import Path

from pipeline_steps.items.closure import ROOT, closure_digests
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.run import parser, run

PIPELINE = Path("dvc.yaml")


def stages() -> list[str]:
    """The modules that ``dvc.yaml`` runs, but for this one."""
    named = re.findall(r"python -m pipeline_steps\.(\w+)", (ROOT / PIPELINE).read_text("utf-8"))
    return sorted({*named} - {Path(__file__).stem})


def digest_code(out: Path) -> None:
    """Write a file a stage: SHA-256 by file name."""
    for name in stages():
        digests = closure_digests(f"pipeline_steps.{name}")
        (out / f"{name}.json").write_text(json.dumps(digests, indent=1) + "\n", "utf-8")


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--out").parse_args()
    with whole_folder(args.out) as out:
        digest_code(out)


if __name__ == "__main__":
    run(main)
