"""dvc.yaml tells the truth: stages declare the code they can import and the parameters they read, no more, no less."""

import ast
import json
import re
from importlib import import_module

import pytest
from conftest import ROOT, whole
from pipeline_file import MODULES, STAGES
from readings import READERS, sections_read
from shipped import SHIPPED

from pipeline_steps import digest_code
from pipeline_steps.captions.backends.table import BACKENDS
from pipeline_steps.configuration.grid import expand
from pipeline_steps.configuration.sections import NAMED, SECTIONS, TAGGED
from pipeline_steps.generation.modes.table import MODES
from pipeline_steps.items import closure as closure_module
from pipeline_steps.items.closure import import_closure
from pipeline_steps.stage import params as stage_params
from pipeline_steps.stage.params import read_yaml


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_its_own_code_and_on_no_other(name):
    declared = [d for d in STAGES[name]["deps"] if d.startswith(("pipeline_steps", "data/code"))]
    own = MODULES[name].removeprefix("pipeline_steps.")
    assert declared == (["pipeline_steps"] if own == "digest_code" else [f"data/code/{own}.json"])


def test_the_code_of_a_stage_is_its_import_closure(tmp_path):
    digest_code.digest_code(tmp_path)
    names = {m.removeprefix("pipeline_steps.") for m in MODULES.values()} - {"digest_code"}
    assert {f.stem for f in tmp_path.iterdir()} >= names
    for name in names:
        closure = {f for f in import_closure(f"pipeline_steps.{name}") if closure_module.code_digest(f)}
        assert set(json.loads((tmp_path / f"{name}.json").read_text())) == closure


def _declared(stage):
    """Parameters by file, without what a cell's name completes."""
    found = {}
    for p in stage.get("params", []):
        for file, keys in p.items() if isinstance(p, dict) else [("params.yaml", [p])]:
            found.setdefault(file, set()).update(re.sub(r"\$\{.*", "", key) for key in keys)
    return found


@pytest.mark.parametrize("name", STAGES)
def test_declared_parameters_are_those_read(name):
    declared, read = _declared(STAGES[name]), sections_read(MODULES[name])
    if name == "check_params":  # so that DVC's tables show this of cells.yaml, and not all cells
        assert declared.pop("cells.yaml") == {"made_by"}
    files = {"config/shipped.yaml"} if MODULES[name] in {s.__name__ for s, _ in SHIPPED.values()} else {"params.yaml"}
    assert set(declared) <= files
    assert set().union(*declared.values()) == read


def test_shipped_models_and_no_others_are_made_by_their_own_file():
    sections = read_yaml(ROOT / "config/shipped.yaml")
    assert {section for stage, _ in SHIPPED.values() for section in sections_read(stage.__name__)} == set(sections)
    assert {model.read_from for _, model in SHIPPED.values()} == {stage_params.SHIPPED_FILE}
    assert {m.read_from for m in (*SECTIONS.values(), *NAMED.values())} == {stage_params.PARAMS_FILE}


def _uses_the_device(module):
    files = import_closure(module)
    return "pipeline_steps/stage/device.py" in files or any("torch.cuda" in (ROOT / f).read_text() for f in files)


@pytest.mark.parametrize("name", [name for name in STAGES if not STAGES[name].get("frozen")])
def test_a_stage_that_the_flow_runs_declares_its_memory(name):
    """Else it would start beside one that gets the whole machine."""
    assert STAGES[name].get("meta", {}).get("memory", 0) > 0


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_uses_the_device_declares_it(name):
    """The flow hides the GPU from a stage that asks for none: it would compute on another device than by dvc."""
    meta = STAGES[name].get("meta", {})
    assert ("gpus" in meta) == _uses_the_device(MODULES[name])
    assert meta.get("gpus", 1) in (1, "${item.gpus}")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_uses_the_device_fixes_its_threads(name):
    files = {f for f in import_closure(MODULES[name]) if not f.endswith("stage/threads.py")}  # to import is not to call
    fixes = any(
        re.search(r"^ +(use_threads|torch\.set_num_threads)\(", (ROOT / f).read_text(), re.MULTILINE) for f in files
    )
    assert fixes or not _uses_the_device(MODULES[name])


def test_a_cell_asks_for_a_gpu_if_its_backend_or_mode_uses_the_device():
    """Captioners and augmenters of all kinds in one grid: what a cell declares is what its own code can reach."""
    params = whole("endpoints")
    augmenters, captioners = params["augmenters"], params["captioners"]
    for name in captioners:
        augmenters[f"by {name}"] = augmenters["txt2img_tokens_lora"] | {"captioner": name}
    every = {"scenarios": ["iii"], "draws": [0], "augmenters": list(augmenters)}
    params["grid"] = {"all": {**every, "architectures": [], "arms": [], "segmenters": [], "untrained": False}}
    cells = expand(params)
    asked = {(captioners[c["captioner"]]["backend"], c["gpus"]) for c in cells["caption"].values()}
    assert asked == {(name, int(_uses_the_device(_module(row.caption)))) for name, row in BACKENDS.items()}
    asked = {(augmenters[c["augmenter"]]["mode"], c["gpus"]) for c in cells["generate"].values()}
    assert asked == {(name, int(_uses_the_device(_module(row.make)))) for name, row in MODES.items()}


def _module(function):
    return function.partition(":")[0]


def test_a_stage_depends_on_the_functions_that_its_table_names_and_the_check_of_parameters_does_not():
    named = {_module(row.make) for row in MODES.values()} | {_module(row.caption) for row in BACKENDS.values()}
    files = {f"{module.replace('.', '/')}.py" for module in named}
    assert files <= import_closure("pipeline_steps.generate") | import_closure("pipeline_steps.caption")
    assert not files & import_closure("pipeline_steps.check_params")
    of_captions = {f for f in files if "/captions/" in f}
    assert of_captions <= import_closure("pipeline_steps.caption")
    assert not of_captions & import_closure("pipeline_steps.generate")


def test_a_stage_takes_the_place_of_its_shell():
    """Else killing dvc with SIGKILL would end the shell's parent alone, and the stage would write on."""
    assert all(s["cmd"].startswith("exec python -m ") for s in STAGES.values())


def test_evaluate_alone_opens_the_test_split():
    users = {
        file.name
        for file in (ROOT / "pipeline_steps").rglob("*.py")
        if any(isinstance(n, ast.Name) and n.id == "read_tests" for n in ast.walk(ast.parse(file.read_text())))
    }
    assert users == {"evaluate.py"}


def _models_read(module):
    """Models by section, as the calls of read_params and read_tagged in a module name them."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / f"{module.__name__.replace('.', '/')}.py").read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in READERS:
            section = node.args[1].value if isinstance(node.args[1], ast.Constant) else node.args[1].values[0].value
            found[section.removesuffix(".")] = getattr(module, node.args[0].id)
    return found


READING = [
    *(import_module(name) for name in sorted(set(MODULES.values()))),
    *(import_module(f"pipeline_steps.{name}") for name in ("diffusion.settings", "features.settings")),
]


@pytest.mark.parametrize("module", READING, ids=lambda module: module.__name__)
def test_stages_read_by_the_models_that_are_checked_before_them(module):
    checked = {**SECTIONS, **NAMED, **{section: models for section, (models, _) in TAGGED.items()}}
    for section, model in _models_read(module).items():
        if getattr(model, "read_from", None) == stage_params.SHIPPED_FILE:
            assert (module, model) in SHIPPED.values()
        elif not section.startswith("population."):  # a part of a section, by a model of its own
            assert model is checked[section]
