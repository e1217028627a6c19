"""The pictures in a folder: photographs and lesion masks, and which of them a table's cell names."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2"}
UNREAD = {".heic", ".heif", ".dng", ".cr2", ".nef", ".arw"}  # of phones and cameras: no library here opens them
_MASK = re.compile(r"[_\-. ](?:mask|maske|segmentation|seg|lesion_mask|mascara)$", re.IGNORECASE)
_MASK_FOLDER = re.compile(r"(?:^|[_\- ])(?:masks?|masken?|segmentations?|mascaras?)$", re.IGNORECASE)


@dataclass(frozen=True)
class Pictures:
    """Names of the photographs and masks below ``root``, relative to it."""

    root: Path
    photographs: tuple[str, ...]
    masks: tuple[str, ...]
    unread: tuple[str, ...]

    def named_by(self, cell: str) -> str | None:
        """The photograph that a cell names: by its place, its file's name, or that without its ending; else None."""
        return _found(cell, self._photographs)

    def mask_named_by(self, cell: str) -> str | None:
        """The mask that a cell names, as ``named_by``."""
        return _found(cell, self._masks)

    @cached_property
    def _photographs(self) -> list[dict[str, str]]:
        return _indices(self.photographs)

    @cached_property
    def _masks(self) -> list[dict[str, str]]:
        return _indices(self.masks)

    @cached_property
    def masks_by_stem(self) -> dict[str, str]:
        """Each mask by the stem of the photograph that it is named after."""
        return _only((_folded(_MASK.sub("", PurePosixPath(name).stem)), name) for name in self.masks)


def look_into(folder: Path) -> Pictures:
    """All pictures in ``folder`` and the folders in it; hidden ones apart."""
    names = sorted(_files(folder))
    pictures = [name for name in names if PurePosixPath(name).suffix.lower() in PICTURES]
    masks = [name for name in pictures if _is_mask(PurePosixPath(name))]
    unread = [name for name in names if PurePosixPath(name).suffix.lower() in UNREAD]
    return Pictures(folder, tuple(sorted({*pictures} - {*masks})), tuple(masks), tuple(unread))


def _files(folder: Path) -> Iterable[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        here = Path(place).relative_to(folder)
        yield from ((here / name).as_posix() for name in files if not name.startswith("."))


def _is_mask(name: PurePosixPath) -> bool:
    return bool(_MASK.search(name.stem)) or any(_MASK_FOLDER.search(part) for part in name.parts[:-1])


def _found(cell: str, indices: list[dict[str, str]]) -> str | None:
    plain = _folded(cell.strip().replace("\\", "/").removeprefix("./"))
    last = plain.rpartition("/")[2]
    place, name, stem = indices
    return place.get(plain) or name.get(last) or stem.get(_without_ending(last)) if last else None


def _indices(names: Iterable[str]) -> list[dict[str, str]]:
    """Names by their place, by their file's name, and by that without its ending, where no other has it."""
    pure = [(PurePosixPath(name), name) for name in names]
    return [
        _only((_folded(path.as_posix()), name) for path, name in pure),
        _only((_folded(path.name), name) for path, name in pure),
        _only((_folded(path.stem), name) for path, name in pure),
    ]


def _only(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    by_key: defaultdict[str, list[str]] = defaultdict(list)
    for key, name in pairs:
        by_key[key].append(name)
    return {key: names[0] for key, names in by_key.items() if len(names) == 1}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _without_ending(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in PICTURES | UNREAD else name


def pattern(column: str, cells: Iterable[str], files: Iterable[str | None], root: Path) -> tuple[Path, str] | None:
    """A folder and a pattern such as ``{name}.jpg`` by which each of a column's ``cells`` gives its file.

    None: there is none, as files lie in several folders or have several endings.
    """
    found = [
        (cell.replace("\\", "/").removeprefix("./"), file) for cell, file in zip(cells, files, strict=True) if file
    ]
    if not found:
        return None
    cell, file = found[0]
    ends = Counter(_rest(cell, file))
    for start, end in ends:
        if all(_folded(f"{start}{c}{end}") == _folded(f) for c, f in found):
            return (root / start if start else root), f"{{{column}}}{end}"
    return None


def _rest(cell: str, file: str) -> list[tuple[str, str]]:
    """What stands before and after ``cell`` in ``file``."""
    folded, within = _folded(file), _folded(cell)
    at = folded.rfind(within)
    start, end = (file[:at], file[at + len(cell) :]) if at >= 0 else ("", "")
    return [(start, end)] if at >= 0 and (not start or start.endswith("/")) else []
