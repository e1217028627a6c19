"""The methods' other forms on one draw: a page and a wall of images from a clone in which their grid has run.

./run python -m pipeline_steps.configure phantom_variants && ./run python -m flows.augment
./run python -m benchmarks.phantom_variants
"""

from pathlib import Path

from benchmarks.phantom_bench import classifiers, images, sample_wall
from pipeline_steps.reporting.findings import read_findings
from pipeline_steps.reporting.markdown import markdown
from pipeline_steps.reporting.sections.learned import beside_base

PAGE = Path("docs/phantom_variants.md")

TEXT = """# The methods' other forms, in miniature

**Phantom results**: rendered images, small models; nothing here is about patients. One draw, so no interval over draws:
small differences between classifiers mean nothing.

Made by `./run python -m pipeline_steps.configure phantom_variants && ./run python -m flows.augment`, then
`./run python -m benchmarks.phantom_variants`: {count} classifiers on draw 0 of scenario iii
(no dark image in training). The methods as published are in [phantom_bench.md](phantom_bench.md).

| entry | what differs |
|---|---|
| lesiongen | nothing: LesionGen on expert concepts |
| lesiongen_labels | captions name the condition and the skin alone |
| lesiongen_reports | captions are what the shipped captioner sees |
| skindualgen_concepts | SkinDualGen on LesionGen's captions |
| sagers_in_out | the lesion is painted anew, then its surroundings (Sagers et al. 2023) |

## What training changed

Each fine-tuned model beside its base model as it came, on the same captions where they were run; 95 % intervals over
images, of condition accuracy over sources. One in seven is chance.

{trained}

## Images

Against reference images of types V and VI that train nothing and test nothing.

{images}

## Classifiers

Accuracy on the holdout in %, by the minority's, types V and VI.

{classifiers}
{about}"""

# Written by hand after the run whose page is committed; write it anew with another.
ABOUT = """
## What it shows, and what it cannot

LesionGen's nearness to real images in [phantom_bench.md](phantom_bench.md) is its captions', not its training's:
beside its base model on the same captions, the Fréchet distance is not lower here, while conditions become
recognisable (18 to 41 %). What the captioner sees serves better than the annotations' words in both measures, with or
without training, and classifiers learn most from it. Of LesionGen's three forms, names alone gain most in Fréchet
distance (the base model mostly paints bare skin when it reads a name) and least in concepts. On concept captions
SkinDualGen has 2 % of its images rejected, on names 44 % on this draw, and beats its base model on the same captions
in both measures; classifiers do not learn from it. In-then-outpainting teaches the lesions' shapes and paints them in
light skin's colours, having learned none other; its Fréchet distance stays above its base model's. One draw cannot
rank these: another machine's rounding alone moved LesionGen's distance by 4 between two runs of the same settings.
"""


def main() -> None:
    """Read a finished run, write the page."""
    f = read_findings()
    board = f.compared.boards[0]
    assert board.partition == "holdout"
    wall = sample_wall(f.cells["screen"], "The first image made of each, screened or not.")
    text = TEXT.format(
        count=len(f.cells["train_classifier"]),
        trained=markdown([beside_base(f), wall], PAGE),
        images=images(f, board),
        classifiers=classifiers(f, board, PAGE),
        about=ABOUT,
    )
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
