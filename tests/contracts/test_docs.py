"""README and docs tell the truth: what they link to exists, and the commands they name can be given as they stand."""

import ast
import re
import shlex
import shutil
from itertools import pairwise

import pytest
from conftest import ROOT, whole
from pipeline_file import STAGES

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_BEGIN = ("./run ", "python -m ", "dvc ")
_PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*|\.\.\.|…")  # NAME, OTHER, IMAGE_ID


def links(text):
    """Targets of the links of a page, what is code left out."""
    return [t for t in _LINK.findall(re.sub(r"`[^`]*`", "", _FENCE.sub("", text))) if "://" not in t]


def anchors(text):
    """What GitHub makes of a page's headings."""
    heads = re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(text):
    """Words of each command that a page gives: in code blocks, and in prose between backticks."""
    lines = [line for _, block in _FENCE.findall(text) for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", _FENCE.sub("", text))]
    for said in (*(line.removeprefix("$ ") for line in lines), *spans):
        plain = re.sub(r"^(\w+=\S+ )+", "", said)
        if plain.startswith(_BEGIN):
            words = shlex.split(plain, comments=True)
            ends = [i for i, word in enumerate(words) if word in {"&&", "|", ";", ">"}] + [len(words)]
            starts = [0, *(end + 1 for end in ends)]
            yield from (words[start:end] for start, end in zip(starts, ends, strict=False))


def mistake(words):
    """What is wrong with a command, in words; empty where nothing is."""
    words = words[1:] if words[:1] == ["./run"] else words
    if not words or _PLACEHOLDER.fullmatch(words[0]):
        return ""
    if words[:2] == ["python", "-m"]:
        return _of_module(words[2], words[3:])
    if words[0] == "dvc":
        return _of_dvc(words[1:])
    if words[0] == "pytest":
        missing = [w for w in words[1:] if w.startswith("tests/") and not (ROOT / w.partition("::")[0]).exists()]
        return f"no file {missing[0]}" if missing else ""
    return "" if shutil.which(words[0]) else f"no program {words[0]}"


def _of_module(name, arguments):
    place = ROOT / name.replace(".", "/")
    file = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
    if not file.is_file():
        return f"no module {name}"
    constants = {n.value for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Constant)}
    for argument in (a for a in arguments if a.startswith("-") and a != "--help"):
        if argument.partition("=")[0] not in constants:
            return f"{name} has no {argument}"
    if name == "pipeline_steps.configure":
        profiles = {"default", *(f.stem for f in (ROOT / "config/profiles").glob("*.yaml"))}
        asked = [a for a in arguments if not a.startswith("-") and not _PLACEHOLDER.fullmatch(a)]
        return "".join(f"no profile {a}" for a in asked if a not in profiles)
    return _of_values(arguments)


def _of_values(arguments):
    """Parameters after -S and stages after --target."""
    for flag, value in pairwise(arguments):
        if flag == "-S" and (wrong := _of_parameter(value)):
            return wrong
        if flag == "--target" and value.partition("@")[0] not in STAGES:
            return f"no stage {value}"
    return ""


def _of_parameter(override):
    node = whole()
    for part in override.partition("=")[0].split("."):
        if _PLACEHOLDER.fullmatch(part) or override in {"…", "..."}:
            return ""
        if not isinstance(node, dict) or part not in node:
            return f"no parameter {override}"
        node = node[part]
    return ""


def _of_dvc(arguments):
    """What DVC's own parser says; of a command that stops at a flag, with some value after it."""
    from dvc.cli.parser import DvcParserError, get_main_parser

    if not arguments:
        return ""
    for tried in (arguments, [*arguments, "x"]):
        try:
            parsed = get_main_parser().parse_args(tried)
        except (DvcParserError, SystemExit):
            continue
        targets = parsed.targets if arguments[0] == "repro" else []
        unknown = [t for t in targets or [] if not _PLACEHOLDER.search(t) and t.partition("@")[0] not in STAGES]
        return f"no stage {unknown[0]}" if unknown and tried is arguments else _of_values(arguments)
    return "dvc does not understand it"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    text, broken = page.read_text("utf-8"), []
    for target in links(text):
        place, _, anchor = target.partition("#")
        file = page.parent / place if place else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file.read_text("utf-8"))):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_can_be_given(page):
    text = page.read_text("utf-8")
    found = {shlex.join(words): wrong for words in commands(text) if (wrong := mistake(words))}
    made_there = {f"no profile {name}" for name in re.findall(r"wrote config/profiles/(\w+)\.yaml", text)}
    assert {command: wrong for command, wrong in found.items() if wrong not in made_there} == {}


def test_the_readme_has_commands_and_links():
    """Else the two tests above would pass on nothing."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(list(commands(text))) > 20
    assert len(links(text)) > 20


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("./run python -m pipeline_steps.nothing", "no module pipeline_steps.nothing"),
        ("./run python -m flows.augment --dry", "flows.augment has no --dry"),
        ("python -m flows.augment --target generated", "no stage generated"),
        ("python -m flows.augment -S classifier.upates=1", "no parameter classifier.upates=1"),
        ("python -m pipeline_steps.configure papper", "no profile papper"),
        ("dvc exp shw", "dvc does not understand it"),
        ("dvc params diff --dependencies", "dvc does not understand it"),
        ("dvc repro reports", "no stage reports"),
        ("dvc exp run -S clasifier.updates=2", "no parameter clasifier.updates=2"),
        ("./run pytest tests/test_nothing.py", "no file tests/test_nothing.py"),
        ("./run no_such_program", "no program no_such_program"),
    ],
)
def test_a_command_that_is_wrong_is_found(command, why):
    assert [mistake(words) for words in commands(f"`{command}`")] == [why]


def test_a_link_that_leads_nowhere_is_found():
    assert links("[a](docs/nothing.md) `[b](c)` [d](https://example.org)") == ["docs/nothing.md"]
