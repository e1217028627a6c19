"""Which sections of the parameters a stage reads, found in its code."""

import ast

from conftest import ROOT

from pipeline_steps.items.closure import import_closure

READERS = ("read_params", "read_tagged")


def sections_read(module):
    """Sections that the closure's calls of read_params name; f-strings end at their first brace."""
    found = set()
    for file in (f for f in import_closure(module) if f.endswith(".py")):
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in READERS:
                section = node.args[1]
                if isinstance(section, ast.Constant):
                    found.add(section.value)
                elif isinstance(section, ast.JoinedStr):
                    found.add(section.values[0].value)
    return found
