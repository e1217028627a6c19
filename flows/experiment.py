"""A flow run as a DVC experiment: parameters overridden as by ``dvc exp run -S``, the result saved under a name."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.hydra import apply_overrides, to_hydra_overrides
from dvc.utils.serialize import load_yaml
from scmrepo.exceptions import SCMError

PARAMS = "params.yaml"
# What git leaves while it waits for a person to go on with something, and how to.
_UNFINISHED = {
    "MERGE_HEAD": "a merge is not committed yet: 'git commit', or 'git merge --abort'",
    "rebase-merge": "a rebase is under way: 'git rebase --continue', or '--abort'",
    "rebase-apply": "a rebase or 'git am' is under way: finish or '--abort' it",
    "CHERRY_PICK_HEAD": "a cherry-pick is not committed yet: 'git cherry-pick --continue', or '--abort'",
    "REVERT_HEAD": "a revert is not committed yet: 'git revert --continue', or '--abort'",
    "index.lock": "another git is at work, or died: if none runs, delete .git/index.lock",
}


def check_request(overrides: Sequence[str], name: str, pool: str) -> None:
    """Whether a run with these overrides can be computed, and saved as an experiment ``name``.

    Raises:
        ValueError: it can't; found before anything is done.
    """
    if overrides and pool:
        raise ValueError(
            f"-S changes {PARAMS} in this clone alone, and workers compute what is committed: write the change into "
            f"{PARAMS}, run 'python -m pipeline_steps.configure --cells', commit, and bring the workers to that commit"
        )
    check_overrides(overrides)
    if overrides or name:
        check_savable(name)


def override(overrides: Sequence[str]) -> None:
    """Write Hydra-style overrides such as ``classifier.updates=200`` into ``params.yaml``, comments kept.

    Raises:
        ValueError: as ``check_overrides``, or an override can't be applied.
    """
    if not overrides:
        return
    check_overrides(overrides)
    plain = [text.removeprefix(f"{PARAMS}:") for text in overrides]
    try:
        apply_overrides(PARAMS, plain)
    except Exception as error:  # noqa: BLE001 (of Hydra, OmegaConf or the YAML writer)
        reason = str(error.__cause__ or error).split("\n", maxsplit=1)[0]
        raise ValueError(f"-S {' -S '.join(overrides)} can't be applied ({reason}); edit {PARAMS} instead") from None


def check_overrides(overrides: Sequence[str]) -> None:
    """Whether each override gives one value to a parameter that is there.

    Raises:
        ValueError: it does not; the message has what may have been meant.
    """
    params = load_yaml(PARAMS) if overrides else {}
    for text in overrides:
        plain = text.removeprefix(f"{PARAMS}:")
        try:
            (parsed,) = to_hydra_overrides([plain])
        except Exception:  # noqa: BLE001 (Hydra's own, which DVC imports late)
            parsed = None
        if parsed is None or not parsed.key_or_group or parsed.package:
            raise ValueError(f"-S {text} is not understood: write KEY=VALUE, and quote blanks and commas in a value")
        if parsed.is_sweep_override():
            raise ValueError(
                f"-S {text} gives several values, and a run has one: start a run for each, or queue numbers by "
                f"'dvc exp run --queue -S {text}'; a list is written [1,2]"
            )
        _check_key(params, text, parsed)


def _check_key(params: Any, text: str, parsed: Any) -> None:
    """Follow an override's key down ``params``; one that adds (``+key``) needs its section alone."""
    parts, node = parsed.key_or_group.split("."), params
    adds = parsed.is_add() or parsed.is_force_add()
    for i, part in enumerate(parts[:1] if adds else parts):
        place = ".".join(parts[:i])
        if not isinstance(node, dict):
            reason = f"{place} is one value, with nothing below it; override it as a whole"
            raise ValueError(f"-S {text}: {reason}")  # noqa: TRY004 (a person's mistake, not a type's)
        known = {str(key): value for key, value in node.items()}
        if part not in known:
            raise ValueError(
                f"-S {text}: {PARAMS} has no {parsed.key_or_group}; {_suggestion(params, parts, i, known)}"
            )
        node = known[part]
    if not adds and not parsed.is_delete() and isinstance(node, dict) and not isinstance(parsed.value(), dict):
        inner = ", ".join(map(str, node))
        raise ValueError(f"-S {text}: {parsed.key_or_group} is a section; name one of its parameters: {inner}")


def _suggestion(params: Any, parts: list[str], i: int, known: dict[str, Any]) -> str:
    """What somebody may have meant by ``parts``, whose ``i``-th is none of ``known``."""
    key, every = ".".join(parts), list(_dotted_keys(params, ""))
    here = [".".join([*parts[:i], close, *parts[i + 1 :]]) for close in get_close_matches(parts[i], known, 3)]
    elsewhere = [name for name in every if name.endswith(f".{key}")][:3]
    meant = [name for name in here if name in every and i] or elsewhere or get_close_matches(key, every, 3, 0.8) or here
    if meant:
        return f"did you mean {' or '.join(meant)}?"
    return f"{'.'.join(parts[:i]) or PARAMS} has {', '.join(known)}"


def _dotted_keys(node: Any, place: str) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        name = f"{place}.{key}".lstrip(".")
        yield name
        yield from _dotted_keys(value, name)


def check_savable(name: str) -> None:
    """Whether DVC could save an experiment ``name`` (empty: any) here; asked before hours of work, not after them.

    Raises:
        ValueError: the name is none, or git is not in a state from which an experiment can be saved.
    """
    if name and ("/" in name or name.startswith("-") or _git("check-ref-format", f"refs/exps/{name}") is None):
        raise ValueError(f"{name!r} can't be an experiment's name: use letters, digits, dashes and underscores")
    if _git("rev-parse", "--verify", "-q", "HEAD") is None:
        raise ValueError("an experiment needs a commit to differ from: 'git add -A && git commit -m start'")
    identity = all(_git("config", "--get", key) for key in ("user.name", "user.email"))
    by_variable = [f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
    if not identity and not all(os.environ.get(variable) for variable in by_variable):
        raise ValueError(
            "git does not know who you are, so nothing can be saved as an experiment: "
            "'git config user.name NAME' and 'git config user.email ADDRESS'"
        )
    if unmerged := _git("diff", "--name-only", "--diff-filter=U"):
        names = ", ".join(unmerged.split("\n"))
        raise ValueError(f"a merge conflict is open ({names}), so nothing can be saved: solve it and commit")
    for sign, remedy in _UNFINISHED.items():
        if Path(_git("rev-parse", "--git-path", sign) or "/nowhere").exists():
            raise ValueError(f"nothing can be saved as an experiment now: {remedy}")


def _git(*arguments: str) -> str | None:
    """What git says; None where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout.strip() if done.returncode == 0 else None


def save(name: str, ran: str) -> str:
    """Save the workspace as experiment ``name`` (replacing one of that name); its name as DVC has it.

    ``ran``: a stage that is up to date. Without one DVC would first commit all stages, those that did not run
    included: as if they had, or not at all where an output is missing.

    Raises:
        ValueError: the workspace can't be saved.
    """
    check_savable(name)
    with Repo() as repo:
        try:
            revision = repo.experiments.save(name=name, targets=[ran], force=True)
        except (DvcException, SCMError) as error:
            raise ValueError(f"experiment {name!r} can't be saved: {error}") from None
        return str(repo.experiments.get_exact_name([revision])[revision] or revision)
