"""Large arrays a block of rows at a time: memory is a block's, however many rows and columns there are.

The size of a block is a constant, never the machine's: sums over blocks depend on it in their last digits.
"""

from collections.abc import Iterator

BLOCK = 2**26  # bytes: 64 MiB


def row_blocks(rows: int, row_bytes: int) -> Iterator[slice]:
    """All ``rows`` in order, as many at a time as a block holds of ``row_bytes`` each, one at least.

    Whoever keeps several arrays of a row passes the widest; the block is a bound of each. Of no rows there is one empty
    block, so that what is gathered from blocks has its shape.
    """
    step = max(1, BLOCK // row_bytes)
    yield from (slice(start, min(start + step, rows)) for start in range(0, max(rows, 1), step))


def fits_in_a_block(rows: int, row_bytes: int) -> bool:
    """Whether ``row_blocks`` would give one block."""
    return rows * row_bytes <= BLOCK
