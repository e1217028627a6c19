"""Names that other libraries define, read from their source: to import those libraries takes ten seconds."""

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

NETWORKS = ("vgg_small", "resnet_small", "vit_small")  # ours, in vision/networks.py
_BY_CONFIGURATION = ("LCMScheduler", "TCDScheduler", "SASolverScheduler")  # take Stable Diffusion's configuration, too


@cache
def _folder(package: str, *parts: str) -> Path:
    found = importlib.util.find_spec(package)
    places = found.submodule_search_locations if found else None
    return Path(places[0], *parts) if places else Path("/nowhere")


@cache
def networks() -> dict[str, Path]:
    """Names of timm's architectures, without the tags of their weights, and the files that they are in."""
    files: dict[str, Path] = {}
    for file in _folder("timm", "models").glob("*.py"):
        text = file.read_text("utf-8")
        files |= dict.fromkeys(re.findall(r"^@register_model\s*\ndef (\w+)\(", text, re.MULTILINE), file)
        old = re.search(r"register_model_deprecations\(__name__, \{(.*?)\}\)", text, re.DOTALL)
        files |= dict.fromkeys(re.findall(r"""['"](\w+)['"]\s*:""", old[1]) if old else [], file)
    return files


def is_network(name: str) -> bool:
    """Whether a classifier can have the architecture ``name``, ours or timm's, with a tag that it has."""
    known, (own, _, tag) = networks(), name.partition(".")
    if name in NETWORKS or not known:
        return True
    return own in known and bool(re.search(rf"\b{re.escape(tag)}\b", known[own].read_text("utf-8")))


@cache
def encoders() -> frozenset[str]:
    """Encoders of segmentation-models-pytorch, timm's (``tu-…``) apart."""
    names: set[str] = set()
    for file in _folder("segmentation_models_pytorch", "encoders").glob("*.py"):
        text = file.read_text("utf-8")
        for table in re.findall(r"^\w+_encoders = \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
            names |= set(re.findall(r'^ {4}"([\w-]+)": \{', table, re.MULTILINE))
    return frozenset(names)


def is_encoder(name: str) -> bool:
    """Whether a segmenter can have the encoder ``name``."""
    if name.startswith("tu-"):
        return is_network(name.removeprefix("tu-"))
    known = encoders()
    return not known or name in known


@cache
def schedulers(family: str) -> dict[str, Path]:
    """Names of diffusers' schedulers that can denoise with a model of ``family``, and the files that they are in."""
    files: dict[str, Path] = {}
    texts = {file: file.read_text("utf-8") for file in _folder("diffusers", "schedulers").glob("scheduling_*.py")}
    for file, text in texts.items():
        files |= dict.fromkeys(re.findall(r"^class (\w+Scheduler)\(", text, re.MULTILINE), file)
    if family == "flux":
        flow = {n: f for n, f in files.items() if n.startswith("FlowMatch")}
        return {n: f for n, f in flow.items() if "sigmas" in _arguments(f, n, "set_timesteps")}
    enum = "".join(
        re.findall(r"^class KarrasDiffusionSchedulers.*?(?=^\S)", "".join(texts.values()), re.MULTILINE | re.DOTALL)
    )
    names = [*re.findall(r"^ +(\w+) = \d+$", enum, re.MULTILINE), *_BY_CONFIGURATION]
    return {n: files[n] for n in names if n in files}


def scheduler_options(family: str, name: str) -> frozenset[str]:
    """What the scheduler ``name`` of ``schedulers(family)`` can be told."""
    return frozenset(_arguments(schedulers(family)[name], name, "__init__"))


@cache
def _arguments(file: Path, of: str, method: str) -> tuple[str, ...]:
    tree = ast.parse(file.read_text("utf-8"))
    body = [n for c in tree.body if isinstance(c, ast.ClassDef) and c.name == of for n in c.body]
    found = [f for f in body if isinstance(f, ast.FunctionDef) and f.name == method]
    return tuple(a.arg for f in found for a in (*f.args.args, *f.args.kwonlyargs) if a.arg != "self")
