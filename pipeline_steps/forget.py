"""Withdraw photographs: list everything that is derived from them, and delete what you confirm.

``python -m pipeline_steps.forget IMAGE_ID ...``: ids as the data set has them, or public ids as generated images carry
them. Remove the photograph and its row in the table first, then run this, then ``dvc repro``: what is missing is made
again, without it. ``--yes`` asks nothing. What remains where this can't reach is said at the end (docs/privacy.md).
"""

import argparse
import difflib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline_steps.datasets.files import stem
from pipeline_steps.forgetting.derived import Identity, identities
from pipeline_steps.forgetting.inventory import Kind, inventory
from pipeline_steps.forgetting.runs import Cache, cache_folder, present_outputs, recorded_runs, remotes
from pipeline_steps.stage.command import arguments, errors_in_a_line
from pipeline_steps.stage.errors import DataError

_SHOWN = 4  # paths of a kind that are named
_INTERRUPTED = 130
_NOTHING = "nothing was deleted"


def named(known: dict[str, Identity], names: Sequence[str]) -> list[Identity]:
    """The images that ``names`` (own or public ids) name.

    Raises:
        DataError: a name is no image's.
    """
    public = {name: one for one in known.values() for name in one.public}
    found, unknown = {}, []
    for name in names:
        if (one := known.get(name) or public.get(name)) is not None:
            found[one.image_id] = one
            continue
        if (one := known.get(stem(name))) is not None:
            print(f"{name}: taken for the image {one.image_id!r}, as ids have no file's ending")
            found[one.image_id] = one
            continue
        near = difflib.get_close_matches(name, [*known, *public], 3, 0.6)
        unknown.append(f"{name!r}" + (f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""))
    if unknown:
        where = (
            "data/dataset, nor in an earlier one that DVC's cache keeps" if known else "data/dataset: it is not here"
        )
        raise DataError(f"no image {', '.join(unknown)} in {where}; nothing was deleted")
    return list(found.values())


def listing(kinds: Sequence[Kind]) -> str:
    """The list as a person reads it."""
    lines = []
    for number, kind in enumerate(kinds, 1):
        lines.append(f"{number:3}. {kind.words}: {len(kind.paths)}, {_bytes(kind.size)}")
        lines += [f"       {os.path.relpath(path)}" for path in kind.paths[:_SHOWN]]
        lines += [f"       and {len(kind.paths) - _SHOWN} more"] if len(kind.paths) > _SHOWN else []
    return "\n".join(lines)


def chosen(answer: str, count: int) -> list[int] | None:
    """Positions that an answer names: ``y`` all, numbers and ranges some, ``n`` or nothing none; None: unreadable."""
    reply = answer.strip().lower()
    if reply in {"", "n", "no"}:
        return []
    if reply in {"y", "yes"}:
        return list(range(count))
    picked: set[int] = set()
    for part in reply.replace(",", " ").split():
        ends = part.split("-")
        if len(ends) > 2 or not all(end.isdecimal() for end in ends):
            return None
        picked |= set(range(int(ends[0]), int(ends[-1]) + 1))
    return sorted(n - 1 for n in picked) if picked and min(picked) >= 1 and max(picked) <= count else None


def delete(kinds: Sequence[Kind], done: list[Path]) -> int:
    """Delete all paths, noting each in ``done``; bytes freed."""
    freed = 0
    for kind in kinds:
        freed += kind.size
        for path in kind.paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            done.append(path)
    return freed


def _ask(count: int) -> list[int]:
    """What the person wants deleted; "n" means nothing.

    Raises:
        DataError: there is nobody to answer.
    """
    while True:
        try:
            answer = input(f"Delete? y: all; numbers such as 1 3-{count}: these; n: nothing [n] ")
        except EOFError:
            print()
            raise DataError(
                "nobody answered (the input is at its end), so nothing was deleted; run it in a terminal, or add --yes"
            ) from None
        if (picked := chosen(answer, count)) is not None:
            return picked
        print(f"{answer!r} is neither y, n nor numbers from 1 to {count}")


def _bytes(size: int) -> str:
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _first(who: Sequence[Identity]) -> str:
    files = sorted({file for one in who for file in one.files})
    which = f" ({', '.join(files[:_SHOWN])}{', …' if len(files) > _SHOWN else ''})" if files else ""
    return (
        f"Yours to do first: remove the photograph{which}, its lesion mask if it has one, and its row in "
        "the data set's table. This does not touch "
        "them, and as long as they are there dvc repro reads them again."
    )


def _remaining() -> str:
    names = ", ".join(remotes()) or "none is set up here"
    return f"""What remains, where this can't reach:
- git: committed metrics, pages and digests (dvc.lock) of earlier runs, and experiments (dvc exp list, dvc exp remove)
- DVC remotes: {names}; clean them with dvc gc --cloud, or at their host
- other clones, workers' copies and caches, Prefect's database (previews in its UI), backups, and what was handed on
Now run dvc repro: what is missing is made again."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="+", metavar="IMAGE_ID")
    parser.add_argument("--yes", action="store_true", help="delete everything that is listed")
    args = arguments(parser)
    done: list[Path] = []
    try:
        with errors_in_a_line():
            forget(args.ids, sure=args.yes, done=done)
    except KeyboardInterrupt:
        what = f"{len(done)} of the files and folders listed were deleted, the others not" if done else _NOTHING
        print(f"\ninterrupted: {what}; run the same command again, it goes on", file=sys.stderr, flush=True)
        sys.exit(_INTERRUPTED)


def forget(names: Sequence[str], *, sure: bool, done: list[Path] | None = None) -> None:
    """List, ask (unless ``sure``), delete (each path is noted in ``done``), and say what remains.

    Raises:
        DataError: a name is no image's.
    """
    cache = Cache(cache_folder(), present_outputs())
    runs = recorded_runs(cache.root)
    who = named(identities(cache, runs), names)
    print("\n".join(f"{one.image_id}: public id {', '.join(sorted(one.public))}" for one in who))
    print(_first(who))
    kinds = inventory(cache, runs, who)
    if not kinds:
        print(f"Nothing derived from it is here.\n{_remaining()}")
        return
    print(f"Derived from it:\n{listing(kinds)}", flush=True)
    picked = list(range(len(kinds))) if sure else _ask(len(kinds))
    if not picked:
        print(_NOTHING)
        return
    freed = delete([kinds[i] for i in picked], [] if done is None else done)
    left = [i + 1 for i in range(len(kinds)) if i not in picked]
    print(f"deleted: {_bytes(freed)}" + (f"; kept as you said: {', '.join(map(str, left))}" if left else ""))
    print(_remaining())


if __name__ == "__main__":
    main()
