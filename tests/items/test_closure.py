"""Which code a stage can run, and its digest: of what runs, not of what is said about it."""

import ast
import re

import pytest

from pipeline_steps.items.closure import ROOT, code_version, executed, import_closure


def test_closure_follows_late_imports():
    closure = import_closure("pipeline_steps.train_classifier")
    assert "pipeline_steps/training/supervised.py" in closure
    assert "pipeline_steps/diffusion/sample.py" not in closure
    assert "pipeline_steps/items/closure.py" in import_closure("pipeline_steps.finetune")
    assert code_version("pipeline_steps.split") != code_version("pipeline_steps.audit")


CODE = '''"""A docstring."""

import os  # why


def f(x):
    """What it does."""
    # how
    text = """one

    two"""
    return f"{x}#{text}"
'''


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("A docstring.", "Another one.\n\nOf three lines.", False),
        ("# why", "", False),
        ("What it does.", "Says what it does.", False),
        ("    # how\n", "", False),
        ("import os", "import sys", True),
        ("one\n\n", "one\n", True),
        ("#{text}", "##{text}", True),
        ("return", "yield", True),
    ],
)
def test_a_digest_is_of_what_runs_and_of_no_sentence(old, new, counts):
    changed = CODE.replace(old, new)
    assert changed != CODE
    assert (executed(changed) != executed(CODE)) == counts


def test_a_docstring_on_the_line_of_its_class_hides_nothing():
    assert executed("class A(B): 'doc'") != executed("class A(C): 'doc'")


def test_what_runs_is_the_same_program():
    for file in (ROOT / "pipeline_steps").rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
                node.body[0] = ast.Expr(ast.Constant(...))
        assert ast.dump(ast.parse(executed(file.read_text("utf-8")))) == ast.dump(tree), file


def test_docstrings_are_read_for_help_alone():
    uses = re.compile(r"(?<!parser\()(?<!description=)__doc__")
    assert not [f for f in (ROOT / "pipeline_steps").rglob("*.py") if uses.search(f.read_text("utf-8"))]
