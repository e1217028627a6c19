"""The files that a table names: which of them are there, under which name, and what is likely wrong if none is."""

import difflib
import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline_steps.datasets.data_set import Mapped
from pipeline_steps.records.slugs import slug
from pipeline_steps.stage.errors import DataError

_ENDING = re.compile(r"\.(png|jpe?g|webp|tiff?|bmp|gif|heic|avif|jp2)$", re.IGNORECASE)
_PLAIN = re.compile(r"[\w.\-]{1,128}")
_LIKE_DERIVED = re.compile(r".*-[0-9a-f]{16}")
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2"}


class Found(NamedTuple):
    """The name under which each file lies in its folder (None: it does not).

    ``respelled``: how many of them spell their name otherwise than the table; ``others``: pictures without a row.
    """

    names: tuple[str | None, ...]
    respelled: int
    others: int


def stem(image_id: str) -> str:
    """An id without the ending of a picture's file name."""
    return _ENDING.sub("", image_id)


def image_ids(ids: Iterable[str]) -> list[str]:
    """Ids of letters, digits, dots, dashes and underscores: as they are, without a file's ending, if they are made so.

    Others (with blanks, folders, brackets) get what they have of these and the start of their SHA-256, so that no two
    share one; so do ids that differ in their ending alone, with it, and those that look derived. Unicode's composed
    form (NFC) is taken.
    """
    composed = [unicodedata.normalize("NFC", i) for i in ids]
    times = Counter(stem(i) for i in composed)
    return [_derived(i) if times[stem(i)] > 1 or not _is_plain(stem(i)) else stem(i) for i in composed]


def _is_plain(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and not _LIKE_DERIVED.fullmatch(name)


def _derived(image_id: str) -> str:
    made = slug(image_id)
    digest = hashlib.sha256(image_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return made if made.endswith(digest) else f"{made}-{digest}"


def look_up(folder: Path, wanted: Iterable[str], known: Iterable[Path] = ()) -> Found:
    """Where the ``wanted`` files lie in ``folder``: by name, by its other Unicode form, or by it in another case.

    ``known``: files (masks) that are no pictures without a row, if they lie there, too.
    """
    there = listing(folder)
    composed = _only({name: _composed(name) for name in there})
    folded = _only({name: _composed(name).casefold() for name in there})
    names, respelled = list[str | None](), 0
    for raw in wanted:
        plain = raw.replace("\\", "/").removeprefix("./")
        name = _composed(plain)
        found = plain if plain in there else composed.get(name) or folded.get(name.casefold())
        names.append(found)
        respelled += found not in {None, plain}
    return Found(tuple(names), respelled, _without_row(folder, there, names, known))


def look_anywhere(folder: Path, wanted: Iterable[str], known: Iterable[Path] = ()) -> Found:
    """Where the ``wanted`` pictures lie in ``folder`` or any folder in it: by name in any case, else with any ending.

    Several files of one name are one picture where their bytes are equal: the first counts.

    Raises:
        DataError: files of one name differ.
    """
    there = sorted(name for name in listing(folder) if is_picture(name))
    by_name, by_stem = _grouped(there, _last), _grouped(there, lambda name: stem(_last(name)))
    names, respelled = list[str | None](), 0
    for raw in wanted:
        name = _last(raw)
        found = (by_name.get(name) or by_stem.get(stem(name)) or []) if name else []
        names.append(_one_of(folder, found) if found else None)
        respelled += bool(found) and _composed(Path(found[0]).name) != _composed(Path(raw).name)
    copies = {copy for name in names if name for copy in by_name[_last(name)]}
    return Found(tuple(names), respelled, _without_row(folder, set(there), copies, known))


def _one_of(folder: Path, found: list[str]) -> str:
    first, *others = found
    if others:
        content = (folder / first).read_bytes()
        if other := next((name for name in others if (folder / name).read_bytes() != content), None):
            raise DataError(f"{folder} holds two files for one image, and they differ: {first} and {other}; keep one")
    return first


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return groups


def _last(name: str) -> str:
    """The last part of a path, whatever its case and its form of Unicode."""
    return _composed(name.replace("\\", "/").rpartition("/")[2]).casefold()


def is_picture(name: str) -> bool:
    """Whether a file has the ending of a picture."""
    return Path(name).suffix.lower() in _PICTURES


def _without_row(folder: Path, there: set[str], found: Iterable[str | None], known: Iterable[Path]) -> int:
    """How many pictures that are ``there`` no row names, but for the ``known`` ones."""
    elsewhere = {path.resolve() for path in known}
    rest = {name for name in there if is_picture(name)} - set(found)
    return sum(not elsewhere or (folder / name).resolve() not in elsewhere for name in rest)


def listing(folder: Path) -> set[str]:
    """Names of all files in ``folder`` and the folders in it, relative to it; hidden ones apart."""
    found: set[str] = set()
    for place, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        here = Path(place).relative_to(folder)
        found |= {(here / name).as_posix() for name in files if not name.startswith(".")}
    return found


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _only(keys: dict[str, str]) -> dict[str, str]:
    """Names by their key, where no other name has it."""
    times = Counter(keys.values())
    return {key: name for name, key in keys.items() if times[key] == 1}


def nothing_found(m: Mapped, wanted: list[str]) -> str:
    """What is likely wrong where none of the files that a table names is in its folder."""
    fact = f"none of the {len(wanted)} images that {m.csv} names is in {m.images} (the first: {wanted[0]!r})"
    if not m.images.is_dir():
        return f"{fact}: there is no such folder; set images under ingest.sources in params.yaml"
    there = sorted(listing(m.images))
    if not any(map(is_picture, there)):
        return f"{fact}{_no_pictures(there)}"
    by_end = {Path(name).name.casefold(): name for name in there}
    by_stem = {Path(name).stem.casefold(): name for name in there}
    last = Path(wanted[0].replace("\\", "/")).name.casefold()
    if inner := by_end.get(last):
        return f"{fact}, but {inner!r} is: set images, or the pattern file, under ingest.sources so that they meet"
    if inner := by_stem.get(last) or by_stem.get(stem(last)):
        return f"{fact}, but {inner!r} is: give the pattern file under ingest.sources the ending {Path(inner).suffix}"
    if inner := by_end.get(stem(last)):
        return f"{fact}, but {inner!r} is: the table's names have their ending already, so {_without_ending(m)}"
    near = difflib.get_close_matches(wanted[0], there, 1, 0.0)
    return (
        f"{fact}; it holds {len(there)} files such as {near[0]!r}: set images or the pattern file under ingest.sources"
    )


def _no_pictures(there: list[str]) -> str:
    """What a folder holds in place of pictures, and what to do."""
    if archives := [name for name in there if name.lower().endswith(".zip")]:
        return f", but {', '.join(archives[:3])} is: unpack what was downloaded, in place"
    state = f"it holds {len(there)} files, and no picture" if there else "it is empty"
    return f": {state}; put the images there, or set images under ingest.sources in params.yaml"


def _without_ending(m: Mapped) -> str:
    """What the pattern of files should be where the column that it names holds whole file names."""
    return f"set file under ingest.sources to {stem(m.file)!r} in place of {m.file!r}"
