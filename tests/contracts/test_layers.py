"""A room imports rooms of lower layers alone; flows import none."""

import ast

from conftest import ROOT
from pipeline_file import MODULES

# A room imports rooms of lower layers alone; a stage's module imports all but the commands' rooms, and no other stage.
LAYERS = (
    {"stage"},
    {"checkpoints", "items", "records"},
    {"parameters", "pixels"},
    {"generation", "splitting", "statistics", "training"},
    {"measures"},
    {"captions", "datasets", "diffusion", "features", "reporting", "vision"},
    {"configuration", "forgetting"},
    {"adopting", "checking", "comparing", "exporting"},
)


def _imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names)


def test_every_room_has_its_layer():
    rooms = {f.parent.name for f in (ROOT / "pipeline_steps").glob("*/__init__.py")}
    assert sorted(rooms) == sorted(room for layer in LAYERS for room in layer)


def test_rooms_import_downwards_alone():
    layer_of = {room: number for number, layer in enumerate(LAYERS) for room in layer}
    verbs = set(MODULES.values())
    for file in (ROOT / "pipeline_steps").rglob("*.py"):
        place = file.relative_to(ROOT / "pipeline_steps").parts
        for name in set(_imported(file)):
            if file.name not in {"check.py", "download.py"}:  # commands on stages' functions and parameters
                assert name not in verbs, f"{file} imports the stage {name}"
            target = name.split(".")[1] if name.startswith("pipeline_steps.") else None
            if len(place) > 1 and target in layer_of and target != place[0]:
                assert layer_of[target] < layer_of[place[0]], f"{file} imports sideways or upwards: {name}"


def test_flows_know_stage_names_alone():
    for file in (ROOT / "flows").rglob("*.py"):
        roots = {name.split(".")[0] for name in _imported(file)}
        assert not roots & {"torch", "pipeline_steps", "diffusers", "transformers"}
