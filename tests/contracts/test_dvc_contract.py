"""dvc.yaml tells the truth: stages declare the code they can import and the parameters they read, no more, no less."""

import ast
import gc
import json
import re
from importlib import import_module

import pytest
from conftest import ROOT, whole
from pipeline_file import MODULES, STAGES
from ruamel.yaml import YAML

from pipeline_steps import (
    caption,
    digest_code,
    generate,
    train_base,
    train_captioner,
    train_features,
    train_flux,
    train_inpaint,
)
from pipeline_steps.checkpoints.provenance import PROVENANCE, weights_digest
from pipeline_steps.configuration.check import checked_cells
from pipeline_steps.configuration.grid import expand
from pipeline_steps.configuration.overlay import merged, resolved
from pipeline_steps.configuration.profiles import made, profile_in_use
from pipeline_steps.configuration.sections import NAMED, SECTIONS, TAGGED
from pipeline_steps.items import closure as closure_module
from pipeline_steps.items.closure import code_digests, import_closure
from pipeline_steps.stage import params as stage_params
from pipeline_steps.stage.params import read_params, read_yaml
from pipeline_steps.stage.run import run
from pipeline_steps.stage.threads import Threads

READERS = ("read_params", "read_tagged")
# A room imports rooms of lower layers alone; a stage's module imports all but the commands' rooms, and no other stage.
LAYERS = (
    {"stage"},
    {"checkpoints", "items", "records"},
    {"parameters", "pixels"},
    {"generation", "splitting", "statistics", "training"},
    {"measures"},
    {"captions", "datasets", "diffusion", "features", "recoloring", "remote", "reporting", "vision"},
    {"configuration", "forgetting"},
    {"comparing", "exporting"},
)


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


def _sections_read(module):
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


def _declared(stage):
    """Parameters by file, without what a cell's name completes."""
    found = {}
    for p in stage.get("params", []):
        for file, keys in p.items() if isinstance(p, dict) else [("params.yaml", [p])]:
            found.setdefault(file, set()).update(re.sub(r"\$\{.*", "", key) for key in keys)
    return found


@pytest.mark.parametrize("name", STAGES)
def test_declared_parameters_are_those_read(name):
    declared, read = _declared(STAGES[name]), _sections_read(MODULES[name])
    if name == "check_params":  # so that DVC's tables show this of cells.yaml, and not all cells
        assert declared.pop("cells.yaml") == {"made_by"}
    files = {"config/shipped.yaml"} if MODULES[name] in {s.__name__ for s, _ in SHIPPED.values()} else {"params.yaml"}
    assert set(declared) <= files
    assert set().union(*declared.values()) == read


def test_shipped_models_and_no_others_are_made_by_their_own_file():
    sections = read_yaml(ROOT / "config/shipped.yaml")
    assert {section for stage, _ in SHIPPED.values() for section in _sections_read(stage.__name__)} == set(sections)
    assert {model.read_from for _, model in SHIPPED.values()} == {stage_params.SHIPPED_FILE}
    assert {m.read_from for m in (*SECTIONS.values(), *NAMED.values())} == {stage_params.PARAMS_FILE}


def _uses_the_device(module):
    files = import_closure(module)
    return "pipeline_steps/stage/device.py" in files or any("torch.cuda" in (ROOT / f).read_text() for f in files)


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
    backends = {name: _uses_the_device(say.__module__) for name, say in caption.BACKENDS.items()}
    assert asked == {(name, int(uses)) for name, uses in backends.items()}
    assert set(caption.COMPUTES_HERE) == {name for name, uses in backends.items() if uses}
    asked = {(augmenters[c["augmenter"]]["mode"], c["gpus"]) for c in cells["generate"].values()}
    modes = {name: _uses_the_device(mode.make.__module__) for name, mode in generate.MODES.items()}
    assert asked == {(name, int(uses)) for name, uses in modes.items()}


def _imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names)


def test_a_stage_takes_the_place_of_its_shell():
    """Else killing dvc with SIGKILL would end the shell's parent alone, and the stage would write on."""
    assert all(s["cmd"].startswith("exec python -m ") for s in STAGES.values())


def test_every_room_has_its_layer():
    rooms = {f.parent.name for f in (ROOT / "pipeline_steps").glob("*/__init__.py")}
    assert sorted(rooms) == sorted(room for layer in LAYERS for room in layer)


def test_rooms_import_downwards_alone():
    layer_of = {room: number for number, layer in enumerate(LAYERS) for room in layer}
    verbs = set(MODULES.values())
    for file in (ROOT / "pipeline_steps").rglob("*.py"):
        place = file.relative_to(ROOT / "pipeline_steps").parts
        for name in set(_imported(file)):
            if file.name != "download.py":  # a command on two stages' parameters
                assert name not in verbs, f"{file} imports the stage {name}"
            target = name.split(".")[1] if name.startswith("pipeline_steps.") else None
            if len(place) > 1 and target in layer_of and target != place[0]:
                assert layer_of[target] < layer_of[place[0]], f"{file} imports sideways or upwards: {name}"


def test_evaluate_alone_opens_the_test_split():
    users = {
        file.name
        for file in (ROOT / "pipeline_steps").rglob("*.py")
        if any(isinstance(n, ast.Name) and n.id == "read_tests" for n in ast.walk(ast.parse(file.read_text())))
    }
    assert users == {"evaluate.py"}


def test_flows_know_stage_names_alone():
    for file in (ROOT / "flows").rglob("*.py"):
        roots = {name.split(".")[0] for name in _imported(file)}
        assert not roots & {"torch", "pipeline_steps", "diffusers", "transformers"}


def test_params_are_the_profile_that_they_name():
    """Made of config/base.yaml: change that, and run python -m pipeline_steps.configure default."""
    text = (ROOT / "params.yaml").read_text()
    assert text == made(profile_in_use(text)).text


def test_cells_fit_the_grid():
    assert read_yaml(ROOT / "cells.yaml")["cells"] == expand(read_yaml(ROOT / "params.yaml"))


SHIPPED = {
    "phantom-sd": (train_base, train_base.BaseParams),
    "phantom-sd-inpaint": (train_inpaint, train_inpaint.InpaintTraining),
    "phantom-flux": (train_flux, train_flux.FluxTraining),
    "phantom-captioner": (train_captioner, train_captioner.CaptionerTraining),
    "phantom-features": (train_features, train_features.FeatureTraining),
}


def _provenance(name):
    return json.loads((ROOT / "models/base" / name / PROVENANCE).read_text("utf-8"))


def test_all_shipped_models_say_what_made_them():
    assert {f.parent.name for f in (ROOT / "models/base").glob(f"*/{PROVENANCE}")} == set(SHIPPED)
    assert {f.name for f in (ROOT / "models/base").iterdir() if f.is_dir()} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_comes_from_todays_code_and_parameters(name):
    """DVC hides a frozen stage's changed dependencies: this is where they show."""
    (stage, model), provenance = SHIPPED[name], _provenance(name)
    code = code_digests(stage.__name__)
    changed = sorted({f for f, _ in provenance["code"].items() ^ code.items()})
    assert not changed, f"prove that these files changed no bit of {name}: python -m benchmarks.provenance --prove"
    (section,) = _sections_read(stage.__name__)
    params = read_params(model, section, ROOT / "config/shipped.yaml")
    assert provenance["params"] == params.model_dump(mode="json")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_code_of_a_shipped_model_is_its_closure_but_for_services(name):
    closure = {f for f in import_closure(SHIPPED[name][0].__name__) if not f.endswith("__init__.py")}
    left_out = closure - set(_provenance(name)["code"])
    assert {f.split("/")[1] for f in left_out} == {"items", "parameters", "stage"}
    assert not left_out & {"pipeline_steps/stage/device.py", "pipeline_steps/stage/threads.py"}


def test_derived_models_come_from_the_shipped_base():
    digest = weights_digest(ROOT / "models/base/phantom-sd")
    assert {n: p["base"] for n in SHIPPED if "base" in (p := _provenance(n))} == {
        "phantom-sd-inpaint": digest,
        "phantom-flux": digest,
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_are_small_and_safe(name):
    files = [f for f in (ROOT / "models/base" / name).rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) <= 25_000_000
    weights = {".bin", ".pt", ".ckpt", ".pkl", ".npy"}
    assert not [f for f in (ROOT / "models").rglob("*") if f.suffix in weights and "base" in f.parts]


PROFILES = sorted(f.stem for f in (ROOT / "config/profiles").glob("*.yaml"))


@pytest.mark.parametrize("profile", ["default", *PROFILES])
def test_every_profile_is_complete_and_valid(profile, monkeypatch):
    monkeypatch.chdir(ROOT)
    text, params, cells = made(profile)
    assert checked_cells(YAML(typ="safe").load(text)) == cells
    assert YAML(typ="safe").load(text) == params
    assert sum(len(c) for c in cells.values()) <= 400
    assert len(cells["generate"]) > 0


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


def test_the_paper_profile_holds_the_published_settings():
    params = whole("paper")
    inversion, lora = params["inversions"]["tokens"], params["adapters"]["lora_tokens"]
    assert (inversion["vectors"], inversion["training"]["steps"], inversion["training"]["learning_rate"]) == (
        1,
        500,
        8e-3,
    )
    assert (lora["rank"], lora["training"]["steps"], lora["training"]["learning_rate"]) == (8, 3000, 5e-6)
    main = params["augmenters"]["majority_to_minority"]
    assert (main["strength"], main["num_inference_steps"], main["guidance_scale"]) == (0.5, 100, 2.0)
    assert main["images_per_source"] == 5
    assert params["subset"]["policy"] == "paper_exact"
    assert len(expand(params)["train_classifier"]) == 3 * 5 * 3 * 4 + 7 * 5


def test_an_overlay_merges_models_and_replaces_values_lists_and_maps_of_free_keys():
    base = {"a": {"b": [1, 2], "c": None, "phrases": {"x": 1}}, "words": {"person": {"1": "x"}, "skin": {"1": "y"}}}
    overlay = {"a": {"b": [3], "phrases": {"y": 2}}, "words": {"person": {"2": "z"}}}
    assert merged(base, overlay) == {
        "a": {"b": [3], "c": None, "phrases": {"y": 2}},
        "words": {"person": {"2": "z"}, "skin": {"1": "y"}},
    }
    assert merged({"prior": {"weight": 1.0}}, {"prior": None}) == {"prior": None}
    assert merged({"a": {"b": 1}}, {"a": {"__replace__": True, "c": 2}}) == {"a": {"c": 2}}
    with pytest.raises(ValueError, match=r"a\.b of the overlay .* not of one kind"):
        merged({"a": {"b": 1}}, {"a": {"b": {"c": 1}}})


def test_an_overlay_reads_the_environment_now(monkeypatch):
    monkeypatch.setenv("EQUIDERM_X", "/data")
    assert resolved({"a": "${EQUIDERM_X}/y"}) == {"a": "/data/y"}
    monkeypatch.delenv("EQUIDERM_X")
    assert resolved({"a": ["${EQUIDERM_X:-fallback}/y"]}) == {"a": ["fallback/y"]}
    with pytest.raises(ValueError, match=r"a\.b needs the environment variable EQUIDERM_X"):
        resolved({"a": {"b": "${EQUIDERM_X}"}})


def test_params_that_would_build_objects_are_refused(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("compute: !!python/object/apply:os.system [id]\n")
    with pytest.raises(ValueError, match=r"params\.yaml"):
        read_params(Threads, "compute", file)
    file.write_text("compute: {threads: two, extra: 1}\n")
    with pytest.raises(ValueError, match=r"compute\.threads.*\n.*compute\.extra"):
        read_params(Threads, "compute", file)


def test_a_stage_collects_garbage_while_it_works(tmp_path, monkeypatch):
    monkeypatch.setattr(stage_params, "_READ", {})  # other tests read files that have changed since
    monkeypatch.chdir(tmp_path)
    usual, seen = gc.get_threshold(), []
    gc.set_threshold(200_000, 20, 20)  # as `python -m pipeline_steps.…` imports
    try:
        run(lambda: seen.append(gc.get_threshold()))
    finally:
        gc.set_threshold(*usual)
    assert seen == [usual]
