"""The dose-response in miniature: a table and a picture from a clone in which its grid has run.

./run python -m pipeline_steps.configure phantom_dose && ./run python -m flows.augment
./run python -m benchmarks.phantom_dose
"""

from pathlib import Path

from pipeline_steps.reporting.blocks import Figure
from pipeline_steps.reporting.figures import dose_response
from pipeline_steps.reporting.findings import read_findings
from pipeline_steps.reporting.markdown import markdown, table
from pipeline_steps.reporting.plates import doses

PAGE = Path("docs/phantom_dose.md")

# Written by hand after the run whose page is committed; write it anew with another.
ABOUT = """
`real syn 1` takes one generated image of each source, the other arms with synthetic images take both.

## What it shows, and what it cannot

Generated images add 24 to 36 points on dark skin, about as much at 4 real images of each condition as at 48: what
they bring comes from few examples (condition accuracy of the generated images: 75, 77 and 69 % at 4, 14 and 48) and
from the base model, which learned on generic marks what dark skin looks like. Sagers et al. found that gains shrink
as real images grow; over all types that is so here (real and synthetic images against real ones: 16 to 22 points at
4, 11 to 16 at 48), on dark skin not, for real images are of light skin alone and no number of them closes that gap.
One image of each source does at 48 what two do, and less at 4.
One draw: no interval over draws, and differences of some points between doses or arms mean nothing.
"""


def main() -> None:
    """Read a finished run, write the page."""
    f = read_findings()
    ((scenario, rows),) = doses(f.r, f.study, "holdout").items()
    draws = sorted(set(rows["draw"]))
    drawn = Figure("", "dose-response", "", dose_response(rows, "types V and VI of the phantom's holdout"))
    wide = rows.groupby(["contender", "dose"])["minority"].mean().mul(100).unstack()
    everyone = rows.groupby(["contender", "dose"])["accuracy"].mean().mul(100).unstack()
    head = ["trained on", *(f"{dose} real" for dose in wide.columns)]
    by_dose = [table(head, [[name, *(f"{v:.1f}" for v in t.loc[name])] for name in t.index]) for t in (wide, everyone)]
    count = len(f.cells["train_classifier"])
    text = f"""# Dose-response in miniature

**Phantom results**: rendered images, small models; nothing here is about patients.

Made by `./run python -m pipeline_steps.configure phantom_dose && ./run python -m flows.augment`, then
`./run python -m benchmarks.phantom_dose`: {count} classifiers, scenario {scenario}, draws {draws}.

Sagers et al. 2023 ask how much generated images add to how many real ones. Here: real images of each condition, all of
light skin, against one or two generated images of each. Real again is a second seed of real: differences as small as
theirs mean nothing. All arms get the same number of updates, which is Sagers et al.'s duplication control.
Smaller doses are subsets of larger ones, and teach tokens and adapter, too.

{markdown([drawn], PAGE)}

Accuracy on types V and VI of the holdout in %, by the mean number of real images of each condition (chance: one in
seven):

{by_dose[0]}

The same over all types:

{by_dose[1]}
{ABOUT}"""
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
