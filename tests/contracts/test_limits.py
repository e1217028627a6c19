"""Files and functions are short enough to be read whole: at most 260 and 40 lines, tests and benchmarks included."""

import ast
from collections import Counter
from pathlib import Path

from conftest import ROOT

FILE, FUNCTION = 260, 40
SOURCES = [f for folder in ("benchmarks", "flows", "pipeline_steps", "tests") for f in (ROOT / folder).rglob("*.py")]


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_no_file_is_long():
    long = {_name(f) for f in SOURCES if len(f.read_text("utf-8").splitlines()) > FILE}
    assert long == set()


def test_no_function_is_long():
    """From ``def`` to its last line, decorators apart."""
    long = {
        f"{_name(f)}: {node.name}"
        for f in SOURCES
        for node in ast.walk(ast.parse(f.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION
    }
    assert long == set()


def test_no_two_test_files_share_a_name():
    """pytest tells modules apart by their names alone: it would not collect the second one."""
    names = Counter(f.name for f in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, files in names.items() if files > 1] == []
