"""The image and the mask of a row of a table: from its files, or under a key of what they hold."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline_steps.datasets.data_set import Decoding, Mapped, Row
from pipeline_steps.datasets.source import OF_MASK, Loaded
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import item_key
from pipeline_steps.pixels.images import read_image, read_mask
from pipeline_steps.records.manifest import safe_path
from pipeline_steps.stage.errors import BadImageError, DataError


@dataclass(frozen=True)
class Loader:
    """Loads the image (and mask, where one lies there) at a position of the table; ``files``: None where none lies."""

    m: Mapped
    rows: Sequence[Row]
    files: tuple[str | None, ...]
    masks: tuple[str | None, ...]
    d: Decoding

    def key(self, position: int) -> str:
        """A key of what ``load`` makes of a row: of its files' content, what the table says of them, and the code."""
        name, drawn = self.files[position], self.masks[position] if self.masks else None
        if name is None:
            return ""
        row = self.rows[position]
        try:
            files = [_within(self.m.images, name), *([_within(self.m.masks, drawn)] if drawn else [])]
            content = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        except (BadImageError, OSError):
            return ""
        said = {"unusable": row.unusable, "md5": row.md5, "same": len(files) > 1 and files[0].samefile(files[1])}
        return item_key("decoded", code_version(__name__), content=content, decoding=asdict(self.d), said=said)

    def __call__(self, position: int) -> Loaded:
        """Pixels and mask of one row; FileNotFoundError or BadImageError say why not."""
        name = self.files[position]
        if name is None:
            raise FileNotFoundError
        row, path = self.rows[position], _within(self.m.images, name)
        if row.unusable:
            raise BadImageError(row.unusable)
        if row.md5 and hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != row.md5:
            raise BadImageError("bytes differ from the MD5 in the table")
        pixels, notes = read_image(path, self.d.size, self.d.resize, self.d.max_pixels)
        drawn = self.masks[position] if self.masks else None
        if drawn is None:
            return Loaded(pixels, None, notes)
        try:
            place = _within(self.m.masks, drawn)
            if place.samefile(path):
                raise BadImageError("the photograph itself: the pattern of masks names it, too")
            mask, on_mask = read_mask(place, self.d.size, self.d.resize, self.d.max_pixels, photograph=path)
        except BadImageError as error:
            raise BadImageError(f"{OF_MASK}{error}") from None
        return Loaded(pixels, mask, (*notes, *(f"{OF_MASK}{note}" for note in on_mask)))


def _within(folder: Path, name: str) -> Path:
    """A file in a folder; one link that leads out of it is one image's fault."""
    try:
        return safe_path(folder, name)
    except (DataError, RuntimeError):  # RuntimeError: links in a circle
        raise BadImageError("a link that leads out of its folder, or nowhere: copy the file instead") from None
