"""How cost grows: seconds and MiB for each further image between sizes, and whether that rises."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.rehearsal.workspace import Cost

NEAR = 1.15  # slopes whose ratio is below it are level
_SECONDS, _SHARE = 2.0, 0.05  # of a stage, that its time may differ by for no reason
IMAGE_MIB = 512 * 512 * 3 / 2**20
LEVEL_MIB = IMAGE_MIB / 10  # for each further image; a list of decoded images would take ten times as much
LIMIT_MIB = 4096
LEVEL, FALLING, RISING = "level", "falling", "rising"


@dataclass(frozen=True)
class Line:
    """A row of the table: what ran, at each size its processor seconds (all cells together) and its highest peak.

    ``counts``: the images by which it is divided, at each size: those of the data set, or those generated.
    """

    name: str
    cells: int
    counts: tuple[int, ...]
    cpu_s: tuple[float, ...]
    peak_mib: tuple[int, ...]

    @property
    def slopes(self) -> list[float]:
        """Processor seconds for each further image, between each size and the next."""
        return [(t2 - t1) / (n2 - n1) for (n1, t1), (n2, t2) in pairwise(zip(self.counts, self.cpu_s, strict=True))]

    @property
    def growth(self) -> list[float]:
        """MiB for each further image, between each size and the next."""
        return [(m2 - m1) / (n2 - n1) for (n1, m1), (n2, m2) in pairwise(zip(self.counts, self.peak_mib, strict=True))]


def verdict(line: Line) -> str:
    """Whether the last slope of processor seconds is level beside the one before, falling, or rising; "" of fewer.

    Level where they differ by less than ``NEAR``, or by what the stage's time may differ for no reason.
    """
    if len(line.slopes) < 2:
        return ""
    before, last = line.slopes[-2:]
    noise = max(_SECONDS, _SHARE * line.cpu_s[-1]) / (line.counts[-1] - line.counts[-2])
    if abs(last - before) <= noise or max(before, 0) / NEAR <= last <= max(before, 0) * NEAR:
        return LEVEL
    return RISING if last > before else FALLING


def memory_verdict(line: Line) -> str:
    """Whether each further image takes less than a tenth of its pixels; "" of one size."""
    if not line.growth:
        return ""
    last = line.growth[-1]
    return LEVEL if abs(last) <= LEVEL_MIB else RISING if last > 0 else FALLING


def lines(measured: Mapping[int, Sequence[Cost]], made: Mapping[int, int], apart: Iterable[str]) -> list[Line]:
    """A line a stage, of sizes at which all of its cells have run; of verbs in ``apart``, a line a cell.

    ``measured``: costs by images of the data set; ``made``: by those, the generated images.
    """
    split = set(apart)
    table: dict[str, dict[int, list[Cost]]] = {}
    for size in sorted(measured):
        for cost in measured[size]:
            verb, _, key = cost.stage.partition("@")
            name = f"{verb} {key.removesuffix('-iii-0')}" if key and verb in split else verb
            table.setdefault(name, {}).setdefault(size, []).append(cost)
    return [_line(name, by_size, made) for name, by_size in table.items()]


def _line(name: str, by_size: Mapping[int, Sequence[Cost]], made: Mapping[int, int]) -> Line:
    cells = max(map(len, by_size.values()))
    whole = {size: costs for size, costs in by_size.items() if len(costs) == cells}
    return Line(
        name,
        cells,
        tuple(made[size] if name.startswith("generate ") else size for size in whole),
        tuple(round(sum(c.cpu_s for c in costs), 2) for costs in whole.values()),
        tuple(max(c.peak_mib for c in costs) for costs in whole.values()),
    )


def expected(known: Mapping[int, Mapping[str, float]], stage: str, images: int) -> float:
    """Seconds that ``stage`` will take on ``images``, from its ``known`` seconds by size: a line through the last two.

    From one size, as if all that the cheapest stage does not take, too, were for its images.
    """
    sizes = [size for size in sorted(known) if stage in known[size]]
    if not sizes:
        return 0.0
    at = sizes[-1]
    last = known[at][stage]
    fixed, n = (known[sizes[-2]][stage], sizes[-2]) if len(sizes) > 1 else (min(known[at].values()), 0)
    return max(last, last + (last - fixed) * (images - at) / (at - n))
