"""DVC's command line as the flow calls it: the same, but for how it reads and writes the lock."""

import sys

from dvc.cli import main

from flows.lockfile import write_stages_in_place
from flows.parsed import lock_parsed_once

if __name__ == "__main__":
    write_stages_in_place()
    with lock_parsed_once():
        sys.exit(main(sys.argv[1:]))
