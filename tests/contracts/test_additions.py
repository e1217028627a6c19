"""A measure, and a section of the report, are a file and a row: nothing else is touched, nothing is trained again."""

import json
import sys

import pandas as pd
from conftest import repro, run

SECTION = '''
"""How many cells there are."""

from pipeline_steps.reporting.blocks import Block, Heading, Table, Words, columns
from pipeline_steps.reporting.findings import Findings


def toy(f: Findings) -> list[Block]:
    """A heading, a sentence, a table."""
    rows = [["classifiers", len(f.cells["train_classifier"])]]
    return [Heading("A toy section"), Words("Cells & `code`."), Table(columns("kind", "toy <cells>"), rows)]
'''
OF_CLASSIFIERS = '''
"""The share of images that are wrong."""

from pipeline_steps.measures.classifiers.overall import OfClassifier, accuracy

TOY = OfClassifier(
    name="toy_error",
    heading="toy error",
    of=lambda p: 1 - accuracy(p),
    bounds=(0, 1),
    better="lower",
    leaderboard=True,
    summary=True,
    compared="toy",
)
'''
OF_IMAGES = '''
"""How far the centres of features are apart."""

from math import inf

import numpy as np

from pipeline_steps.measures.images.frechet import Distance

TOY = Distance(
    name="toy_shift",
    heading="toy shift",
    of=lambda sides: float(np.abs(sides.real.mean(0) - sides.made.mean(0)).max()),
    bounds=(0, inf),
    better="lower",
    unit="",
    leaderboard=True,
    summary=True,
)
'''
IN_MARKDOWN = """
from pathlib import Path
from benchmarks.phantom_bench import classifiers, images
from pipeline_steps.reporting.findings import read_findings
from pipeline_steps.reporting.markdown import markdown
from pipeline_steps.reporting.sections.table import SECTIONS

f = read_findings()
(section,) = [section for section in SECTIONS if section.__name__ == "toy"]
print(markdown(section(f), Path("page.md")))
print(classifiers(f, f.compared.boards[0], Path("page.md")), images(f, f.compared.boards[0]))
"""


def _add(clone, table, imported, name, after, code):
    """A file with ``code`` beside ``table``, and in it a row ``name`` behind the row ``after``."""
    file = clone / "pipeline_steps" / table
    (file.parent / "toy.py").write_text(code.lstrip(), "utf-8")
    lines = file.read_text("utf-8").splitlines()
    (row,) = [k for k, line in enumerate(lines) if line.strip() == f"{after}," or f"({after}," in line]
    lines[row] = lines[row].replace(f"{after},", f"{after}, {name},")
    first = next(k for k, line in enumerate(lines) if line.startswith("from pipeline_steps"))
    lines.insert(first, f"from {imported}.toy import {name}")
    file.write_text("\n".join(lines) + "\n", "utf-8")


def test_a_file_and_a_row_are_a_section_and_a_measure(toy_copy):
    """In metrics, tables, summary, report and benchmark pages; and the report's words make no other stage stale."""
    _add(toy_copy, "reporting/sections/table.py", "pipeline_steps.reporting.sections", "toy", "accuracy", SECTION)
    assert repro(toy_copy) == {"digest_code", "report"}
    measures = "pipeline_steps.measures"
    _add(toy_copy, "measures/classifiers/table.py", f"{measures}.classifiers", "TOY", "ACCURACY", OF_CLASSIFIERS)
    _add(toy_copy, "measures/images/table.py", f"{measures}.images", "TOY", "FRECHET", OF_IMAGES)
    assert {name.split("@")[0] for name in repro(toy_copy)} == {"digest_code", "evaluate", "score_fid", "report"}

    for file in (toy_copy / "metrics/classification").glob("*.json"):
        found = json.loads(file.read_text())["holdout"]
        assert abs(found["toy_error"] - (1 - found["accuracy"])) < 2e-6
    (file,) = (toy_copy / "metrics/fid").glob("*.json")
    scored = json.loads(file.read_text())["all"]
    assert scored["toy_shift_interval"][0] <= scored["toy_shift"] <= scored["toy_shift_interval"][1]
    summary = json.loads((toy_copy / "metrics/summary.json").read_text())
    assert next(iter(summary["images"].values()))["toy_shift"] == scored["toy_shift"]
    assert set(summary["toy_error"]) == set(summary["accuracy"])
    compared = [json.loads(file.read_text()) for file in (toy_copy / "metrics/compared").glob("*.json")]
    assert compared
    assert all(abs(found["toy"] - (1 - found["all"])) < 2e-6 for found in compared)
    assert "toy_error" in pd.read_csv(toy_copy / "report/accuracy.csv")
    assert {"toy_shift", "toy_shift_low"} <= set(pd.read_csv(toy_copy / "report/images.csv"))

    page = (toy_copy / "report/index.html").read_text("utf-8")
    assert page.index("<h2>Accuracy per skin type</h2>") < page.index("<h2>A toy section</h2>")
    assert "<p>Cells &amp; <code>code</code>.</p>" in page
    assert "<th>toy &lt;cells&gt;</th></tr>\n<tr><td>classifiers</td><td>2</td></tr>" in page
    assert "<th>toy error, % ↓</th>" in page
    assert "<th>toy shift ↓</th>" in page
    pages = run(sys.executable, "-c", IN_MARKDOWN, cwd=toy_copy, env_extra={"PYTHONPATH": str(toy_copy)}).stdout
    assert "## A toy section\n\nCells & `code`.\n\n| kind | toy <cells> |\n|---|---:|\n| classifiers | 2 |\n" in pages
    assert "| toy error, % ↓ |" in pages
    assert "| toy shift ↓ |" in pages
