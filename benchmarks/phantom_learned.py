"""What training taught on skin that it saw: a page and a wall of images from a clone in which the grid has run.

./run python -m pipeline_steps.configure phantom_learned && ./run python -m flows.augment
./run python -m benchmarks.phantom_learned
"""

from pathlib import Path

from benchmarks.phantom_bench import sample_wall
from pipeline_steps.reporting.findings import read_findings
from pipeline_steps.reporting.markdown import markdown, table
from pipeline_steps.reporting.sections.learned import beside_base

PAGE = Path("docs/phantom_learned.md")

# Written by hand after the run whose page is committed; write it anew with another.
ABOUT = """
## What it shows

All methods that paint lesions learned their conditions: the Fréchet distance falls from between 71 and 111 to between
25 and 49 (the light training images themselves: 12), and this accuracy rises from between 13 and 31 % to between 39
and 75 % (the judge on the reference itself: 95 %). Intervals are apart but for DermaFlux's condition accuracy, where
they overlap by half a point. Inpainting around the lesion (sagers_inpaint) is better than its base model in both, by
less than the intervals can tell: the lesion's pixels are the source's. So where the bench shows little for a method on
types V and VI, it is the step to dark skin that fails rather than the training: LesionGen's distance is 25 here and 59
there, in-then-outpainting's 29 and 80 ([phantom_variants.md](phantom_variants.md); other references and twice the
images, so not exactly comparable). What is rejected is rejected for its mask, but for one copy of a training image by
sagers_inpaint and two by its base model, and ten images of Flux's base model for their skin tone. Fine lines (nematode
infection) and small dots (folliculitis) stay the weak side of whatever starts from text.
"""


def main() -> None:
    """Read a finished run, write the page."""
    f = read_findings()
    wall = sample_wall(f.cells["screen"], "The first image made of each, screened or not.")
    kept = [[row["augmenter"], row["generated"], row["accepted"]] for row in f.r.images.to_dict("records")]
    text = f"""# What training taught, on skin that it saw

**Phantom results**: rendered images, small models; nothing here is about patients. One draw.

Made by `./run python -m pipeline_steps.configure phantom_learned && ./run python -m flows.augment`, then
`./run python -m benchmarks.phantom_learned`. In scenario iii no dark image is in training, and
[phantom_bench.md](phantom_bench.md) asks all methods for dark skin alone: what it shows is training and transfer
together. Here the same models (draw 0) are asked for types I and II, which they were trained on. The reference is real
images of those types that train nothing and test nothing.

Each fine-tuned model beside its base model as it came; 95 % intervals over images, of condition accuracy over sources.
One in seven is chance.

{markdown([beside_base(f), wall], PAGE)}

{table(["augmenter", "generated", "accepted"], kept)}
{ABOUT}"""
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
