"""Under which terms an image may be used: its licence, whether it may be passed on, and whom to name.

They are columns of the manifest, so that subset, splits and all that is made of an image can say them.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

Redistribute = Literal["yes", "conditions", "no", "ask"]
# yes: naming the source; conditions: for some uses or under the same licence alone; ask: nothing is known of it.
REDISTRIBUTE: tuple[Redistribute, ...] = ("yes", "conditions", "no", "ask")
_STRICTEST_FIRST = ("no", "ask", "conditions", "yes")


class Licence(NamedTuple):
    """``licence``: its SPDX id, or its name where it has none; ``attribution``: whom to name."""

    licence: str
    redistribute: Redistribute
    attribution: str


COLUMNS = Licence._fields  # of the manifest


def licences_of(rows: Any, image_ids: Iterable[str]) -> dict[str, list[str]]:
    """The licence, and the right to pass on, of the images that others are made from: columns of ``metadata.csv``.

    ``rows``: a table with ``image_id`` and ``COLUMNS``: a manifest, or a part of it.
    """
    known = rows.set_index("image_id").loc[list(image_ids)]
    return {name: [*known[name]] for name in ("licence", "redistribute")}


def strictest(rights: Iterable[str]) -> str:
    """What may be done with a set of images with these rights as a whole; ``ask`` of none."""
    return min(rights, key=_STRICTEST_FIRST.index, default="ask")
