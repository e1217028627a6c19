"""Check all parameters before any work: params.yaml by its models, and cells.yaml by the grid.

Reads: ``params.yaml``, ``cells.yaml``, configurations of base models. Writes: ``data/params_checked.txt``, which never
changes: other parameters that are right make nothing stale by it, wrong ones stop all that would follow.
"""

from pipeline_steps.configuration.check import check
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.run import parser, run


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--out").parse_args()
    check()
    with atomic_file(args.out) as temporary:
        temporary.write_text("params.yaml and cells.yaml are right\n", "utf-8")


if __name__ == "__main__":
    run(main)
