"""List the code of each stage: the digests of all files that it can import.

Reads: ``pipeline_steps``. Writes: ``data/code/<stage>.json``, on which each stage depends instead of on a
list of files: it runs again when code changed that it can run, and not when a sentence did, or a file that it never
imports.
"""

import json
from pathlib import Path

from pipeline_steps.items.closure import closure_digests
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.run import parser, run


def commands() -> list[str]:
    """The modules that ``python -m`` runs: all stages, and a few more, as no stage may depend on dvc.yaml."""
    return sorted(f.stem for f in Path(__file__).parent.glob("*.py") if f.stem not in ("__init__", Path(__file__).stem))


def digest_code(out: Path) -> None:
    """Write a file a command: SHA-256 by file name."""
    for name in commands():
        digests = closure_digests(f"pipeline_steps.{name}")
        (out / f"{name}.json").write_text(json.dumps(digests, indent=1) + "\n", "utf-8")


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--out").parse_args()
    with whole_folder(args.out) as out:
        digest_code(out)


if __name__ == "__main__":
    run(main)
