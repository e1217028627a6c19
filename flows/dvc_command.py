"""DVC's command line as the flow calls it: the same, but for how it writes the lock."""

import sys

from dvc.cli import main

from flows.lockfile import write_stages_in_place

if __name__ == "__main__":
    write_stages_in_place()
    sys.exit(main(sys.argv[1:]))
