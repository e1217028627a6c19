"""The box in which JPEG 2000 and AVIF say their colours (``colr``).

Read here, as Pillow gives neither JPEG 2000's profile nor AVIF's code points (nclx); its reader of boxes is private.
"""

import io
import struct
from typing import IO

_WAYS = {"JPEG2000": ((b"jp2h", 0), (b"colr", 0)), "AVIF": ((b"meta", 4), (b"iprp", 0), (b"ipco", 0), (b"colr", 0))}


def colour_box(file: IO[bytes], kind: str) -> bytes:
    """The first ``colr`` box's content in a file of Pillow's format ``kind``, which is left where it was; b"" if none.

    Boxes: ISO/IEC 15444-1 annex I and 14496-12, which lay them out alike.
    """
    place = file.tell()
    try:
        file.seek(0, io.SEEK_END)
        start, end = 0, file.tell()
        for name, version in _WAYS[kind]:  # the version and flags of a "full" box stand before what is in it
            found = _find(file, name, start, end)
            if found is None:
                return b""
            start, end = found[0] + version, found[1]
        file.seek(start)
        return file.read(end - start)
    finally:
        file.seek(place)


def _find(file: IO[bytes], name: bytes, start: int, end: int) -> tuple[int, int] | None:
    """From where to where the content of the first box of that name goes, among those between ``start`` and ``end``."""
    while start + 8 <= end:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1 and len(wide := file.read(8)) == 8:
            (size,), head = struct.unpack(">Q", wide), 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            return None
        if kind == name:
            return start + head, start + size
        start += size
    return None
