"""What code a result depends on: the files that a module can import within this project, and their digests.

A digest is of what Python runs: comments, docstrings and blank lines are left out, so that a sentence that is written
better makes no result stale. (Docstrings are shown by ``--help`` alone; a test looks that nothing else reads them.)
"""

import ast
import hashlib
import io
import re
import threading
import tokenize
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeGuard

ROOT = Path(__file__).resolve().parents[2]
# What only keeps, reports and reads shapes no number (parameters are recorded beside). Device and threads do.
_SERVICES = (
    "pipeline_steps/__init__.py",
    "pipeline_steps/items/",
    "pipeline_steps/parameters/",
    "pipeline_steps/stage/",
)
_SHAPING = ("pipeline_steps/stage/device.py", "pipeline_steps/stage/threads.py")
_BY_NAME = "pipeline_steps/stage/named.py"
_NAME = re.compile(r"(pipeline_steps(?:\.\w+)+):\w+")
# Two threads that parse at once break Python 3.11's count of how deep it is (python/cpython issue 106905).
_PARSING = threading.RLock()
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class _Code(NamedTuple):
    """What is kept of a Python file, parsed once: modules that it imports, those that its strings name, its text."""

    imports: tuple[str, ...]
    named: tuple[str, ...]
    executed: str


@cache
def import_closure(module: str) -> frozenset[str]:
    """Files (relative to the root) that importing ``module`` can read, late imports and templates included.

    Functions that a table names count, too, where ``module`` can import them by their names (``stage.named``).
    """
    found = _reached(module, _imports)
    return _reached(module, _imports_and_names) if _BY_NAME in found else found


def _reached(module: str, imports: Callable[[str], tuple[str, ...]]) -> frozenset[str]:
    """Files that ``module`` reaches, where ``imports`` gives the modules that a file names."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        file = _file(name)
        if file is None or file in seen:
            continue
        seen.add(file)
        parts = name.split(".")
        todo += [".".join(parts[:i]) for i in range(1, len(parts))]
        todo += imports(file)
    return frozenset(seen | {str(t) for folder in {Path(f).parent for f in seen} for t in _templates(folder)})


@cache
def code_version(module: str) -> str:
    """A hash of ``code_digests``: changes when any code changes that shapes what the module makes."""
    with _PARSING:
        digests = code_digests(module)
    return hashlib.sha256("".join(f"{f}\0{d}\0" for f, d in digests.items()).encode()).hexdigest()


def closure_digests(module: str) -> dict[str, str]:
    """SHA-256 by file of all that importing ``module`` can read, but for files that hold no code."""
    digests = {f: code_digest(f) for f in sorted(import_closure(module))}
    return {f: digest for f, digest in digests.items() if digest}


def code_digests(module: str) -> dict[str, str]:
    """The part of ``closure_digests`` that shapes what ``module`` makes: without mere services."""
    return {f: d for f, d in closure_digests(module).items() if f in _SHAPING or not f.startswith(_SERVICES)}


@cache
def code_digest(file: str) -> str:
    """SHA-256 of what Python runs of ``file`` (relative to the root), or of all of it if it is a template.

    Empty for a file with a docstring alone.
    """
    if not file.endswith(".py"):
        return hashlib.sha256((ROOT / file).read_bytes()).hexdigest()
    text = _code(file).executed
    return hashlib.sha256(text.encode()).hexdigest() if text.strip(".") else ""


@cache
def _code(file: str) -> _Code:
    source = (ROOT / file).read_bytes().decode("utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    return _Code(tuple(_imported(nodes)), tuple(_named(nodes)), executed(source, nodes))


def executed(source: str, nodes: Sequence[ast.AST] = ()) -> str:
    """The lines of ``source`` without comments and blank lines, ``...`` for a docstring; strings stay as they are.

    ``nodes``: all of its syntax tree, for who has it.
    """
    nodes, lines = nodes or list(ast.walk(ast.parse(source))), source.splitlines()
    for row, column in _comments(source):
        lines[row - 1] = lines[row - 1][:column]
    kept = {row for node in nodes if _is_long_string(node) for row in range(node.lineno, (node.end_lineno or 0) + 1)}
    for text in _docstrings(nodes, lines):
        start, end = text.lineno, text.end_lineno or text.lineno
        kept -= {*range(start, end + 1)}
        lines[start - 1 : end] = [" " * text.col_offset + "..."] + [""] * (end - start)
    return "\n".join(
        line if row in kept else line.rstrip() for row, line in enumerate(lines, 1) if row in kept or line.strip()
    )


def _comments(source: str) -> list[tuple[int, int]]:
    if "#" not in source:
        return []
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [t.start for t in tokens if t.type == tokenize.COMMENT]


def _is_long_string(node: ast.AST) -> TypeGuard[ast.expr]:
    """Whether it is a string over several lines, whose blank lines count."""
    text = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    return text and node.lineno != node.end_lineno  # type: ignore[attr-defined]


def _docstrings(nodes: Sequence[ast.AST], lines: Sequence[str]) -> Iterator[ast.stmt]:
    """Each docstring that has its lines for itself."""
    for node in nodes:
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            text, *others = node.body
            alone = not lines[text.lineno - 1].encode()[: text.col_offset].strip()
            if alone and (not others or others[0].lineno != text.end_lineno):
                yield text


@cache
def _file(module: str) -> str | None:
    base = module.replace(".", "/")
    return next((file for file in (f"{base}.py", f"{base}/__init__.py") if (ROOT / file).is_file()), None)


@cache
def _templates(folder: Path) -> tuple[Path, ...]:
    """What lies beside code and is no code, such as the report's page."""
    files = (f for f in (ROOT / folder).iterdir() if f.is_file() and f.suffix not in {".py", ".pyc"})
    return tuple(f.relative_to(ROOT) for f in files if f.name[0] not in ".#")


def _imports(file: str) -> tuple[str, ...]:
    return _code(file).imports


def _imports_and_names(file: str) -> tuple[str, ...]:
    """Modules that ``file`` imports, and those of the functions that it names, as ``stage.named`` takes them."""
    return (*_code(file).imports, *_code(file).named)


def _imported(nodes: Sequence[ast.AST]) -> Iterator[str]:
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.startswith("pipeline_steps"))


def _named(nodes: Sequence[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (found := _NAME.fullmatch(node.value)):
            yield found[1]
