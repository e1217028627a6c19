"""DVC's command line as ``./run dvc`` calls it: the same, but why a stage failed stands in the last line.

DVC ends by naming the stage that failed and its command; what is wrong was said before that, and is said again here.
DVC runs in this process, so that signals and exit status are its own.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dvc.cli import main as dvc

from flows.reason import REASON, reasons


def main(arguments: Sequence[str]) -> int:
    """Call DVC; its exit status."""
    with tempfile.TemporaryDirectory(prefix="equiderm-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "reason")
        os.environ[REASON] = str(file)
        status = int(dvc(arguments))
        if status and (said := reasons(file)):
            with suppress(BrokenPipeError):
                sys.stdout.flush()
            print("\n".join(said), file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
