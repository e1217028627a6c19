"""Write the report: a page, the pictures of its galleries beside it, the summary metrics, and tables for ``dvc plots``.

Reads: all metrics, generated images, training curves, params.yaml. Writes: ``report/``, ``metrics/summary.json`` (all
means), and ``metrics/compared``, the few of them that ``dvc metrics`` and ``dvc exp`` show.
What the page says stands in ``reporting/sections``, a file a section.
"""

from pathlib import Path

import jinja2
from markupsafe import Markup

from pipeline_steps.reporting.compared import compared
from pipeline_steps.reporting.findings import Findings, read_findings
from pipeline_steps.reporting.histories import as_one_table, histories
from pipeline_steps.reporting.html import html
from pipeline_steps.reporting.sections.table import SECTIONS
from pipeline_steps.reporting.summary import summary
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.run import parser, run


def page(f: Findings, folder: Path) -> str:
    """The whole page, which is to lie in ``folder``; its galleries' pictures are written there."""
    frame = jinja2.Template((Path(__file__).parent / "reporting" / "page.html").read_text("utf-8"), autoescape=True)
    blocks = (block for section in SECTIONS for block in section(f))
    return frame.render(body=Markup(html(blocks, folder)))  # noqa: S704 (every text in it is escaped by ``html``)


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--out", "--summary", "--compared").parse_args()
    f = read_findings()
    with atomic_folder(args.out) as folder:
        (folder / "index.html").write_text(page(f, folder), "utf-8")
        f.r.classifiers.to_csv(folder / "accuracy.csv", index=False)
        f.r.images.to_csv(folder / "images.csv", index=False)
        f.r.segmenters.to_csv(folder / "segmenters.csv", index=False)
        as_one_table(histories(f.cells)).to_csv(folder / "training.csv", index=False)
    write_metrics(args.summary, summary(f.r, f.study.evaluation.minimum_level_images))
    with atomic_folder(args.compared) as folder:
        for name, numbers in compared(f.r, f.study.minority_levels).items():
            write_metrics(folder / f"{name}.json", numbers)


if __name__ == "__main__":
    run(main)
