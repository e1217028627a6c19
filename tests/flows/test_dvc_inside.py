"""What the flow relies on inside of DVC, which promises none of it: each assumption by itself, with who needs it.

When a new DVC fails here, its specifier in pyproject.toml is to be raised only with the file that is named.
"""

import ast
import importlib
import inspect
import tomllib

import dvc
import pytest
from conftest import ROOT, run
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from flows.lockfile import HEAD, blocks_of

# Module, attribute, parameters that are given by name (None: it is not called), and what is relied on.
ASSUMPTIONS = [
    ("dvc.repo", "Repo._reset", (), "repair.py: forgets what has been parsed, after the lock was replaced"),
    ("dvc.repo", "Repo.index", None, "plan.py: its graph is of all stages"),
    ("dvc.repo.reproduce", "plan_repro", (), "plan.py: the order in which dvc repro runs stages"),
    ("dvc.rwlock", "rwlock", (), "plan.py: one reader for all"),
    ("dvc.rwlock", "RWLOCK_FILE", None, "repair.py: the file that a kill may damage"),
    ("dvc.rwlock", "RWLOCK_LOCK", None, "repair.py: its guard"),
    ("dvc.rwlock", "RWLockFileCorruptedError", None, "plan.py: what says that a kill has damaged it"),
    ("dvc.lock", "make_lock", ("tmp_dir",), "repair.py: the guard is taken before the file is looked at"),
    ("dvc.lock", "LockError", None, "plan.py: another DVC is at work"),
    ("dvc.output", "get_cloud_fs", (), "plan.py: replaced, for a path's place is looked up once"),
    ("dvc.output", "Output.get_hash", (), "plan.py: replaced, for a path is hashed once"),
    ("dvc.dependency.param", "load_path", (), "params_cache.py: replaced, for params.yaml is parsed once"),
    ("dvc.dependency.param", "dpath.get", (), "params_cache.py: replaced, for keys are looked up"),
    ("dvc.stage", "Stage.status", (), "plan.py: what changed, below its own lock"),
    ("dvc.stage", "Stage.status.__wrapped__", (), "plan.py: the same without its lock"),
    ("dvc.stage.serialize", "to_lockfile", (), "lockfile.py: a stage's block of dvc.lock"),
    ("dvc.dvcfile", "Lockfile.dump_stages", (), "lockfile.py: replaced, for one block is written"),
    ("dvc.dvcfile", "LOCK_FILE", None, "repair.py, lock_cache.py: the lock's name"),
    ("dvc.utils.strictyaml", "parse_yaml", ("typ",), "lock_cache.py: replaced, for new blocks alone"),
    ("dvc.utils.strictyaml", "YAMLSyntaxError", None, "repair.py: half a lock"),
    ("dvc.utils.strictyaml", "YAMLValidationError", None, "repair.py: half a lock"),
    ("dvc.utils.serialize", "dumps_yaml", (), "lockfile.py: the bytes that DVC would write"),
    ("dvc.utils.serialize", "YAMLFileCorruptedError", None, "lock_cache.py: a block that can't be parsed by itself"),
    ("dvc.utils.serialize", "parse_yaml", (), "params_cache.py: parameters as DVC parses them"),
    ("dvc.utils.serialize", "load_yaml", (), "experiment.py, grid.py, code_digests.py: a file as DVC reads it"),
    ("dvc.utils.hydra", "apply_overrides", (), "experiment.py: -S as dvc exp run has it"),
    ("dvc.utils.hydra", "to_hydra_overrides", (), "experiment.py: -S parsed"),
    ("dvc.utils.flatten", "flatten", (), "plan.py, artifacts.py: nested numbers by dotted names"),
    ("dvc.repo.experiments", "Experiments.save", None, "experiment.py: saves the workspace"),
    ("dvc.repo.experiments.save", "save", ("targets", "name", "force"), "experiment.py: commits targets alone"),
    ("dvc.repo.experiments", "Experiments.get_exact_name", (), "experiment.py: the saved name"),
    ("dvc.cli", "main", (), "dvc_command.py: DVC's command line in this process"),
    ("scmrepo.exceptions", "SCMError", None, "experiment.py: what git's side of DVC raises"),
]


def _found(module, attribute):
    value = importlib.import_module(module)
    for name in attribute.split("."):
        value = inspect.getattr_static(value, name) if inspect.isclass(value) else getattr(value, name)
    return value


@pytest.mark.parametrize(("module", "attribute", "parameters", "why"), ASSUMPTIONS, ids=lambda v: str(v)[:40])
def test_dvc_has_what_the_flow_relies_on(module, attribute, parameters, why):
    where = f"dvc {dvc.__version__}: {module}.{attribute} is not as the flow needs it. flows/{why}"
    try:
        value = _found(module, attribute)
    except (ImportError, AttributeError) as error:
        pytest.fail(f"{where} ({error})")
    if parameters is not None:
        known = inspect.signature(value).parameters
        assert set(parameters) <= set(known), f"{where}; its parameters are {', '.join(known)}"


def test_all_that_the_flow_imports_of_dvc_is_among_the_assumptions():
    public = {"dvc.exceptions", "dvc.repo.Repo"}  # what DVC's own documentation names
    used = set()
    for file in (ROOT / "flows").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("dvc", "scmrepo"):
                used |= {f"{node.module}.{alias.name}" for alias in node.names}
    known = {name for m, attribute, *_ in ASSUMPTIONS for name in (m, f"{m}.{attribute.split('.')[0]}")}
    assert {name for name in used - known - public if name.rsplit(".", 1)[0] not in public} == set()


DEEDS = """
stages:
  a:
    cmd: exec python work.py write out/a
    deps: [work.py]
    outs: [out/a]
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What DVC says when a stage runs, when nothing has changed, and when the run cache has it."""
    folder = tmp_path_factory.mktemp("said")
    (folder / "dvc.yaml").write_text(DEEDS)
    (folder / "work.py").write_bytes((ROOT / "tests/work.py").read_bytes())
    run("git", "init", "-q", cwd=folder)
    run("dvc", "init", "-q", cwd=folder)
    said = [run("dvc", "repro", cwd=folder).stdout, run("dvc", "repro", cwd=folder).stdout]
    lock = (folder / "dvc.lock").read_text()
    (folder / "dvc.lock").unlink()
    (folder / "out/a").unlink()
    return [*said, run("dvc", "repro", cwd=folder).stdout], lock


def test_dvc_still_says_what_a_stage_did(ran):
    said, _ = ran
    why = "flows/process.py tells Completed, Restored and Unchanged apart by these lines"
    assert "Running stage 'a'" in said[0], why
    assert "didn't change, skipping" in said[1], why
    assert "Stage 'a' is cached - skipping run" in said[2], why


def test_the_lock_still_begins_as_the_flow_expects(ran):
    assert ran[1].startswith(HEAD), "flows/lockfile.py replaces blocks of a lock of this schema"
    assert list(blocks_of(ran[1])) == ["  a:"]


def test_dvc_is_capped_at_the_minor_that_is_tested():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (wanted,) = [r for text in declared if (r := Requirement(text)).name == "dvc"]
    major, minor, *_ = map(int, dvc.__version__.split(".")[:2])
    assert wanted.specifier.contains(dvc.__version__)
    assert not wanted.specifier.contains(f"{major}.{minor + 1}.0"), "flows/ relies on what DVC does not promise"
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    (own,) = [p for p in locked if p["name"] == "equiderm"]
    (held,) = [r for r in own["metadata"]["requires-dist"] if r["name"] == "dvc"]
    assert SpecifierSet(held["specifier"]) == wanted.specifier
