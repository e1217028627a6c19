"""Choosing a profile: whole or not at all, never on top of an earlier one, and nothing changed by hand is lost."""

import sys

import pytest
from conftest import ROOT, run
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline_steps import configure
from pipeline_steps.configuration.overlay import changes, difference, merged
from pipeline_steps.configuration.profiles import made, profile_in_use
from pipeline_steps.configuration.prune import clear, prune
from pipeline_steps.stage.params import ParamsError, read_yaml


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_data_that_are_not_there_are_told_when_they_are_named(place, capsys):
    (place / "pipeline_steps").symlink_to(ROOT / "pipeline_steps")
    configure.choose("default")
    assert capsys.readouterr().err == ""
    overlay = "ingest: {adapter: folder, sources: {folder: {csv: gone/labels.csv, images: gone}}}\n"
    (place / "config/profiles/mine.yaml").write_text(overlay)
    configure.choose("mine")
    said = "warning: ingest.adapter folder reads gone/labels.csv (table), gone (images), and nothing is there"
    assert capsys.readouterr().err.startswith(said)
    done = run(
        sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=place, env_extra={"PYTHONPATH": str(ROOT)}
    )
    assert done.stderr.startswith(said)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("nosuch", "there is default, bench,"),  # letters in common with "bench" make no near name
        ("papr", "did you mean paper?"),
        ("phantom_ful", "did you mean phantom_full"),
        ("fitz", "did you mean fitzpatrick17k_table1?"),
        ("x", "there is default, bench,"),
    ],
)
def test_an_unknown_profile_is_told_near_names_alone_else_all(place, wrong, said):
    with pytest.raises(ParamsError) as caught:
        configure.choose(wrong)
    assert str(caught.value).startswith(f"there is no profile {wrong!r}; {said}")


def _both(place):
    return (place / "params.yaml").read_text(), (place / "cells.yaml").read_text()


def test_a_profile_with_mistakes_changes_nothing_and_names_them_all(place):
    before = _both(place)
    wrong = "classifer: {updates: 3}\npopulation: {majorty: [1]}\n"
    wrong += "ingest: {resize: crop}\ngrid: {comparison: {draws: [9]}}\n"
    (place / "config/profiles/mine.yaml").write_text(wrong)
    with pytest.raises(ParamsError) as caught:
        configure.choose("mine")
    text = str(caught.value)
    assert text.startswith("config/profiles/mine.yaml: 4 mistakes")
    said = (
        "did you mean classifier",
        "did you mean majority",
        "did you mean center_crop",
        "grid.comparison.draws names 9",
    )
    assert all(words in text for words in said)
    assert _both(place) == before


@pytest.mark.parametrize("text", ["", "- a\n", "grid: [", "compute: 3\n", "a: 1\na: 2\n"])
def test_what_is_no_profile_changes_nothing(place, text):
    before = _both(place)
    (place / "config/profiles/mine.yaml").write_text(text)
    with pytest.raises(ParamsError, match="mine"):
        configure.choose("mine")
    assert _both(place) == before


def test_choosing_a_profile_never_stacks_on_an_earlier_one(place):
    default = _both(place)
    configure.choose("sagers")
    run("git", "init", "-q", cwd=place)
    run("git", "add", "params.yaml", "cells.yaml", cwd=place)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "a profile is committed", cwd=place)
    configure.choose("toy")
    toy = _both(place)
    assert toy[0].startswith("# Profile: toy. ")
    configure.choose("default")
    assert _both(place) == default
    configure.choose("toy")
    assert _both(place) == toy


def test_values_changed_by_hand_are_not_lost(place):
    configure.choose("toy")
    file = place / "params.yaml"
    file.write_text(file.read_text().replace("updates: 4", "updates: 5") + "# a note\n")
    updates = read_yaml(file)["classifier"]["updates"]
    file.write_text(file.read_text().replace(f"  updates: {updates}", "  updates: 77", 1))
    edited = _both(place)
    with pytest.raises(ParamsError, match=r"(?s)classifier\.updates: .* became 77.*--save NAME.*--discard"):
        configure.choose("default")
    assert _both(place) == edited
    with pytest.raises(ParamsError, match="there already"):
        configure.choose("default", keep_as="toy")
    configure.choose("default", keep_as="mine")
    assert profile_in_use(file.read_text()) == "default"
    configure.choose("mine")
    assert list(changes(YAML(typ="safe").load(edited[0]), read_yaml(file))) == []
    file.write_text(file.read_text().replace("  updates: 77", "  updates: 78", 1))
    configure.choose("default", discard=True)
    assert read_yaml(file) == made("default").params


def test_an_environment_that_has_changed_is_no_hand_edit(place, monkeypatch):
    monkeypatch.setenv("EQUIDERM_FITZPATRICK17K", "/somewhere")
    configure.choose("paper")
    monkeypatch.delenv("EQUIDERM_FITZPATRICK17K")
    configure.choose("toy")


# Of what ruamel.yaml itself writes back alike: neither 17 digits of a float nor colons and hashes in a flow list.
WORDS = st.integers(-3, 3) | st.sampled_from([0.5, 1e-4, 0.00085, 2.0]) | st.text("ab {'", max_size=4) | st.booleans()
VALUES = st.none() | WORDS
KEYS = st.text("abc", min_size=1, max_size=2)
NESTED = st.recursive(
    VALUES | st.lists(WORDS, max_size=3), lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
SECTIONS_OF = st.fixed_dictionaries({name: st.dictionaries(KEYS, NESTED, max_size=3) for name in ("one", "two")})


@settings(deadline=None, max_examples=200)
@given(base=SECTIONS_OF, found=SECTIONS_OF)
def test_what_is_saved_as_a_profile_gives_it_back(base, found):
    assert merged(base, difference(base, found)) == found


def _lock(place, *cells):
    stages = {f"generate@{key}": {"cmd": "x"} for key in cells}
    with (place / "dvc.lock").open("w") as stream:
        YAML().dump({"schema": "2.0", "stages": {**stages, "split": {"cmd": "y"}}}, stream)
    for key in cells:
        (place / "data/synthetic" / key).mkdir(parents=True, exist_ok=True)


def test_going_to_a_profile_and_back_leaves_the_lock_as_it_was(place):
    _lock(place, "majority_to_minority-iii-0", "txt2img_tokens_lora_untrained-iii-0")
    before = (place / "dvc.lock").read_bytes()
    configure.choose("toy")
    assert not (place / "data/synthetic/txt2img_tokens_lora_untrained-iii-0").exists(), (
        "no report may see what is not in the grid"
    )
    assert (place / "data/synthetic/majority_to_minority-iii-0").exists()
    configure.choose("default")
    assert (place / "dvc.lock").read_bytes() == before


def test_what_is_committed_stays_in_the_lock_and_what_was_tried_goes(place):
    _lock(place, "txt2img_tokens_lora_untrained-iii-0")
    run("git", "init", "-q", cwd=place)
    run("git", "add", "dvc.lock", cwd=place)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x", cwd=place)
    _lock(place, "txt2img_tokens_lora_untrained-iii-0", "tried-iii-0", "majority_to_minority-iii-0")
    configure.choose("toy")
    cells = read_yaml(place / "cells.yaml")["cells"]
    assert clear(cells) == ["generate@txt2img_tokens_lora_untrained-iii-0", "generate@tried-iii-0"]
    assert prune(cells) == ["generate@tried-iii-0"]
    kept = read_yaml(place / "dvc.lock")["stages"]
    assert set(kept) == {"generate@txt2img_tokens_lora_untrained-iii-0", "generate@majority_to_minority-iii-0", "split"}
