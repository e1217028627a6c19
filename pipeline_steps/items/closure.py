"""The import closure of a module within this project: what code a result depends on."""

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What only keeps, reports and reads shapes no number (parameters are recorded beside). Device and threads do.
_SERVICES = ("pipeline_steps/items/", "pipeline_steps/parameters/", "pipeline_steps/stage/")
_SHAPING = ("pipeline_steps/stage/device.py", "pipeline_steps/stage/threads.py")


@lru_cache(maxsize=256)
def import_closure(module: str) -> frozenset[str]:
    """Files (relative to the root) that importing ``module`` can read, late imports included."""
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
        todo += _imports(ROOT / file)
    return frozenset(seen)


@lru_cache(maxsize=256)
def code_version(module: str) -> str:
    """A hash of the module's import closure: changes when any code it can run changes."""
    h = hashlib.sha256()
    for file in sorted(import_closure(module)):
        h.update(file.encode() + b"\0" + (ROOT / file).read_bytes() + b"\0")
    return h.hexdigest()


def code_digests(module: str) -> dict[str, str]:
    """SHA-256 by file of the code that shapes what ``module`` makes: its import closure without mere services.

    Packages' ``__init__`` files, which hold a sentence, are left out, too.
    """
    files = [f for f in sorted(import_closure(module)) if not f.endswith("__init__.py")]
    shaping = [f for f in files if f in _SHAPING or not f.startswith(_SERVICES)]
    return {f: hashlib.sha256((ROOT / f).read_bytes()).hexdigest() for f in shaping}


def _file(module: str) -> str | None:
    base = Path(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if (ROOT / candidate).is_file():
            return str(candidate)
    return None


def _imports(file: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.startswith("pipeline_steps")]
