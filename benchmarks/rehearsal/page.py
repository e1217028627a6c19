"""The page and the plot of a rehearsal."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

from benchmarks.rehearsal.slopes import IMAGE_MIB, LEVEL_MIB, LIMIT_MIB, NEAR, RISING, Line, memory_verdict, verdict
from benchmarks.rehearsal.workspace import Cost
from pipeline_steps.reporting.markdown import table

PAGE = Path("docs/rehearsal.md")
_GIB = 1024
_LEAST = 5.0  # processor seconds at the largest size, of stages that the plot shows

TEXT = """# How cost grows with the number of images

Made by `./run python -m benchmarks.rehearsal`; it goes on where it was cut off. {machine}. {load}

{sizes} rendered photographs of 640 x 576 pixels with masks, read as {side} x {side}, go through all stages; each of
three methods generates {made} images of {side} x {side}. The base model has Stable Diffusion's latents
(4 x 64 x 64) and random weights; diffusion trainings take two steps, classifiers and segmenters six, denoising two, and
nothing is rejected: this measures volume, and says nothing about learning. The shipped feature network looks at all
pixels. Three quarters of the images are of the majority, and most of those train. One thread a stage.

![processor seconds and peak memory by number of images](rehearsal.png)

{found}

{table}

Processor seconds and peaks are each stage's own (`runs/stages.jsonl`), its loading included, without DVC's. A stage
with several cells is their sum and highest peak. For each further image: between one size and the next. A slope is
level where it differs from the one before by less than {near} %, or the stage by less than 2 s or 5 % of its time,
which a busy machine explains; memory is level where a further image takes less than {level:.3f} MiB, a tenth of its
pixels ({image:.2f} MiB): tables and features may be in memory. A process that starts has the peak of what started it,
about that of the smallest stages here. Slopes of `generate` are per generated image; what stages after it take is
given per image of the data set, of which there is a generated one for every eight.
{fitzpatrick}{about}"""

FITZPATRICK = """
## Fitzpatrick17k's table

Its own table ({rows} rows) with as many rendered photographs of 320 x 288 pixels, read as {side} x {side}, as the
profile lesiongen does:

{table}
"""


@dataclass(frozen=True)
class Conditions:
    """What the run was made of: sizes, generated images, the machine, and the loads while it ran."""

    sizes: Sequence[int]
    made: Sequence[int]
    side: int
    machine: str
    loads: Sequence[float]


def page(lines: Sequence[Line], fitzpatrick: str, conditions: Conditions, about: str) -> str:
    """The text."""
    loads = conditions.loads
    busy = f"Load averages after each stage: {min(loads):.1f} to {max(loads):.1f}." if loads else ""
    return TEXT.format(
        machine=conditions.machine,
        load=busy,
        sizes=_listed(conditions.sizes),
        made=_listed(conditions.made),
        side=conditions.side,
        found=found(lines),
        table=stages_table(lines, conditions.sizes),
        near=round(100 * (NEAR - 1)),
        level=LEVEL_MIB,
        image=IMAGE_MIB,
        fitzpatrick=fitzpatrick,
        about=about,
    )


def found(lines: Sequence[Line]) -> str:
    """In a sentence each: which slopes rise, where memory does, and the highest peak."""
    slower = [line.name for line in lines if verdict(line) == RISING]
    larger = [line.name for line in lines if memory_verdict(line) == RISING]
    peak, where = max((max(line.peak_mib), line.name) for line in lines)
    within = "below" if peak < LIMIT_MIB else "NOT below"
    return (
        f"Seconds for each further image rise in: {', '.join(slower) or 'no stage'}. Memory rises in: "
        f"{', '.join(larger) or 'no stage'}. The highest peak is {peak:,} MiB ({where}), {within} "
        f"{LIMIT_MIB // _GIB} GiB."
    )


def stages_table(lines: Sequence[Line], sizes: Sequence[int]) -> str:
    """A row a stage: seconds, slopes and their verdict, peaks and theirs."""
    head = ["stage", *(f"CPU s at {n:,}" for n in sizes), "s for each further image", ""]
    head += [*(f"peak MiB at {n:,}" for n in sizes), "MiB for each further image", ""]
    rows = []
    for line in lines:
        lacking = [""] * (len(sizes) - len(line.counts))
        name = f"{line.name} ({line.cells} cells)" if line.cells > 1 else line.name
        seconds = [f"{t:.1f}" for t in line.cpu_s]
        slopes = ", ".join(f"{s:.4f}" for s in line.slopes)
        growth = ", ".join(f"{g:.3f}" for g in line.growth)
        peaks = [f"{m:,}" for m in line.peak_mib]
        rows.append([name, *seconds, *lacking, slopes, verdict(line), *peaks, *lacking, growth, memory_verdict(line)])
    return table(head, rows)


def fitzpatrick_part(costs: Sequence[Cost], rows: int, side: int, why_not: str) -> str:
    """The part on Fitzpatrick17k; ``why_not``: the reason if it did not run."""
    if why_not:
        return f"\n## Fitzpatrick17k's table\n\nNot run: {why_not}.\n"
    cells = [
        [c.stage.replace("@", " "), f"{c.cpu_s:.1f}", f"{c.cpu_s / rows:.4f}", f"{c.wall_s:.0f}", f"{c.peak_mib:,}"]
        for c in costs
    ]
    head = ["stage", "CPU s", "CPU s an image", "wall s, with DVC", "peak MiB"]
    return FITZPATRICK.format(rows=f"{rows:,}", side=side, table=table(head, cells))


def plot(lines: Sequence[Line], fitzpatrick: Sequence[Cost], rows: int, file: Path) -> None:
    """Processor seconds of the stages that take long, and all peaks, by number of images; Fitzpatrick17k as crosses."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8))
    styles = ["-", "--", ":"]
    for k, line in enumerate(sorted(lines, key=lambda line: -line.cpu_s[-1])):
        look = {"marker": "o", "ms": 3, "lw": 1.2, "color": f"C{k % 10}", "ls": styles[k // 10 % 3]}
        shown = line.cpu_s[-1] >= _LEAST
        if shown:
            left.plot(line.counts, line.cpu_s, label=line.name, **look)
        right.plot(line.counts, line.peak_mib, label=None if shown else line.name, **look)
    if fitzpatrick:
        right.plot([rows] * len(fitzpatrick), [c.peak_mib for c in fitzpatrick], "kx", label="Fitzpatrick17k's table")
    right.axhline(LIMIT_MIB, color="#999999", lw=1)
    right.set(ylabel="peak MiB", xscale="log", ylim=(0, LIMIT_MIB * 1.05))
    left.set(ylabel="processor seconds", ylim=(0, None))
    for axis in (left, right):
        axis.set_xlabel("images (generate: generated images)")
        axis.grid(alpha=0.25)
        axis.legend(fontsize=6, frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _listed(numbers: Sequence[int]) -> str:
    words = [f"{n:,}" for n in numbers]
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
