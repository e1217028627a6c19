"""Replies of services, which cost money: kept by the image that was sent, and never collected.

A reply lies at ``root/ab/abcd.../<request>``: the SHA-256 of the image's pixels (``records.images.digest``, the
manifest's ``sha256``), then the key of what was asked of it. So a folder holds all that was ever bought for an image:
deleting it forgets the image. Pixels, not a file's bytes: another version of the encoder makes other bytes of the same
image. Written and checked as the item store's values; a damaged reply is moved aside within its image's folder.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pipeline_steps.items.store import read_checked, write_checked

DEFAULT_ROOT = Path("cache/paid")
_ROOT = "EQUIDERM_PAID"


def server_of(base_url: str) -> str:
    """Whose reply it is: two servers may give different models one name; a port or a scheme may change."""
    parts = urlsplit(base_url)
    return f"{parts.hostname or ''}{parts.path.rstrip('/')}"


class ReplyKey(NamedTuple):
    """Which reply: the digest of the image's pixels, and the key of the request without the image."""

    pixels: str
    request: str


@dataclass(frozen=True)
class Replies:
    """A folder of replies by image and request. Safe for several processes at once."""

    root: Path

    def path(self, key: ReplyKey) -> Path:
        """Where the reply lies."""
        return self.root / key.pixels[:2] / key.pixels / key.request

    def get(self, key: ReplyKey) -> bytes | None:
        """The reply, or None where it is absent or damaged (then moved aside, and said)."""
        path = self.path(key)
        aside = path.with_name(f"{path.name}.damaged")
        known = path.exists()
        reply = read_checked(path, aside)
        if known and reply is None:
            print(f"{path} was damaged and is bought again; its bytes are in {aside.name} beside it", flush=True)
        return reply

    def put(self, key: ReplyKey, reply: bytes) -> None:
        """Store ``reply`` whole or not at all; when this returns, it is on the disk."""
        write_checked(self.path(key), reply, synced=True)


def default_replies() -> Replies:
    """The clone's own replies, or those in ``EQUIDERM_PAID``."""
    return Replies(Path(os.environ.get(_ROOT, DEFAULT_ROOT)))
