"""The shipped models come from today's code and parameters, and are small and safe."""

import json

import pytest
from conftest import ROOT
from readings import sections_read
from shipped import SHIPPED

from pipeline_steps.checkpoints.provenance import PROVENANCE, weights_digest
from pipeline_steps.items.closure import code_digests, import_closure
from pipeline_steps.stage.params import read_params


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
    (section,) = sections_read(stage.__name__)
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
