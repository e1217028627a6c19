"""Stages that are given paths by ``cells.yaml`` refuse those that ``params.yaml`` does not name."""

import re
import shutil
from importlib import import_module
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline_steps.configuration.grid import expand
from pipeline_steps.stage.params import ParamsError, read_yaml
from pipeline_steps.stage.wiring import NOTHING, REMEDY, check_images, check_wiring, on_split

STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
# Which parameter names what a flag of a stage's command says.
WIRED = {
    "caption": {"tokenizer": "location", "weights": "location"},
    "invert_tokens": {"base": "base", "weights": "location"},
    "finetune": {"base": "base", "weights": "location", "captions": "captioner", "tokens": "inversion"},
    "generate": {
        "base": "base",
        "weights": "location",
        "captions": "captioner",
        "tokens": "inversion",
        "adapter": "adapter",
    },
    "train_classifier": {"synthetic": "images"},
    "train_segmenter": {"synthetic": "images"},
}
OWN = {"finetune": "adapter"}  # a flag that says which entry the cell is


class _BeganError(Exception):
    pass


def _began(*_args, **_named):
    raise _BeganError


def _cells(verb):
    """Of a grid with segmenters, too: a cell whose flags all lead somewhere, and one with flags that lead nowhere."""
    params = read_yaml(ROOT / "params.yaml")
    params["grid"]["comparison"]["segmenters"] = ["real", "real_syn"]
    every = list(expand(params)[verb].items())
    full = [cell for cell in every if NOTHING not in cell[1].values()]
    bare = [cell for cell in every if NOTHING in cell[1].values()]
    assert every
    return [*full[:1], *bare[:1]]


def _command(verb, key, cell):
    """The arguments of a cell's command, as DVC would give them."""
    words = re.sub(r"\$\{item\.(\w+)\}", lambda found: str(cell[found[1]]), STAGES[verb]["do"]["cmd"])
    words = words.replace("${key}", key).split()
    assert not any("$" in word for word in words)
    return words[words.index("-m") + 1 :]


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """A function that begins a stage where there are parameters and models, and ends it once it has looked at both."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)

    def go(words):
        module = import_module(words[0])
        monkeypatch.setattr(module, "use_threads", lambda _threads: None)
        for name in ("generate", "family", "invert"):
            monkeypatch.setattr(module, name, _began, raising=False)
        monkeypatch.setattr("sys.argv", words)
        module.main()

    return go


@pytest.mark.parametrize("verb", WIRED)
def test_what_a_stage_is_given_must_be_what_its_parameters_name(verb, begin):
    """An adapter changed by ``dvc exp run -S`` ran with the old one's weights under the new one's name."""
    for key, cell in _cells(verb):
        words = _command(verb, key, cell)
        with pytest.raises((_BeganError, FileNotFoundError)):
            begin(words)
        for flag, parameter in WIRED[verb].items():
            place = words.index(f"--{flag}") + 1
            other = "other/place" if words[place] == NOTHING else NOTHING
            with pytest.raises(ParamsError, match=rf"\b{parameter} is .*wired to .*{REMEDY}"):
                begin([*words[:place], other, *words[place + 1 :]])


def test_every_stage_with_such_flags_is_tried():
    flags = {flag for known in WIRED.values() for flag in known}
    wired = {
        verb: {f for f in flags - {OWN.get(verb)} if re.search(rf"--{f} \$\{{item\.", s["do"]["cmd"])}
        for verb, s in STAGES.items()
        if "do" in s
    }
    found = {verb: its for verb, its in wired.items() if its}
    assert found == {verb: set(known) for verb, known in WIRED.items()}


def test_a_stage_refuses_what_its_parameters_do_not_name():
    split = Path("data/splits/iii-0.parquet")
    right = {
        "inversion": (on_split("tokens", split), Path("models/tokens/tokens-iii-0")),
        "adapter": (None, Path(NOTHING)),
    }
    check_wiring(
        "augmenters.x", {**right, "base": ("sd", "sd"), "captioner": ("template", Path("data/captions/template"))}
    )
    for parameter, said in (
        ("inversion", "other-iii-0"),
        ("inversion", "tokens-iii-1"),
        ("inversion", None),
        ("adapter", "a-iii-0"),
    ):
        with pytest.raises(
            ParamsError,
            match=rf"augmenters\.x\.{parameter} is .* wired to .*run: python -m pipeline_steps\.configure --cells",
        ):
            check_wiring("augmenters.x", {**right, parameter: (said, right[parameter][1])})
    with pytest.raises(ParamsError, match="location"):
        check_wiring("base_models.sd", {"location": ("other/phantom-sd", "models/base/phantom-sd")})
    check_images("arms.syn", "syn", Path("data/synthetic/x-iii-0"))
    for images, path in (("syn", NOTHING), ("real", "data/synthetic/x-iii-0")):
        with pytest.raises(ParamsError, match=r"arms\.x\.images .*run: python -m pipeline_steps\.configure --cells"):
            check_images("arms.x", images, Path(path))
