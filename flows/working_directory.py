"""Check that the flow runs at the root of a git clone, as DVC demands; one line says what to do where it does not."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class WorkingDirectoryError(ValueError):
    """A command can't work in this folder; the message says where or how it could."""


def check_working_directory() -> None:
    """Check that this process is at the root of a repository that DVC can use.

    Raises:
        WorkingDirectoryError: it is not.
    """
    here = Path.cwd()
    if not Path("dvc.yaml").exists():
        raise WorkingDirectoryError(f"{here} has no dvc.yaml: run from the repository's root ('cd {ROOT}')")
    config = "".join(f.read_text("utf-8") for f in (Path(".dvc/config"), Path(".dvc/config.local")) if f.is_file())
    git = subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, check=False)  # noqa: S607
    if git.returncode and not re.search(r"(?i)no_scm\s*=\s*true", config):
        raise WorkingDirectoryError(
            f"{here} is not a git repository, as a downloaded archive is none: clone it instead, or make it one "
            "('git init && git add -A && git commit -m start')"
        )
    if not Path(".dvc").is_dir():
        raise WorkingDirectoryError(
            f"{here} has no folder .dvc, so DVC does not know it: copy the hidden files, too, or clone it"
        )
