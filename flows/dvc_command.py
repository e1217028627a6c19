"""DVC's command line as this project calls it: the same, but for how it reads lock and parameters, and quicker."""

import atexit
import gc
import sys
from collections.abc import Sequence

# Importing DVC and building its stages make many small objects, none of them garbage: looking for cycles among them
# was a quarter of what such a command takes.
gc.set_threshold(200_000, 20, 20)
atexit.register(gc.freeze)

from dvc.cli import main  # noqa: E402

from flows.lock_cache import lock_parsed_once  # noqa: E402
from flows.lockfile import write_stages_in_place  # noqa: E402
from flows.params_cache import params_parsed_once  # noqa: E402


def call_dvc(arguments: Sequence[str]) -> int:
    """Call DVC; its exit status."""
    write_stages_in_place()
    with lock_parsed_once(), params_parsed_once():
        return int(main(list(arguments)))


if __name__ == "__main__":
    sys.exit(call_dvc(sys.argv[1:]))
