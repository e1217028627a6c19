"""What was changed by hand in params.yaml: shown, kept, completed, never lost."""

import pytest
from conftest import ROOT, run
from profiles_in_tests import edited

from pipeline_steps import configure
from pipeline_steps.configuration.edits import completed, held_params, overlay_of
from pipeline_steps.configuration.inherit import expanded
from pipeline_steps.configuration.overlay import changes, merged
from pipeline_steps.configuration.profiles import library, made, names, source
from pipeline_steps.configuration.reach import names_in, only
from pipeline_steps.stage.params import ParamsError, read_yaml


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_a_method_that_an_edited_grid_names_comes_from_the_profile_and_one_that_it_left_goes():
    text = edited(made("toy").text, grid__comparison__augmenters=["lesiongen"])
    new, params = completed(text)
    assert new.startswith("# Profile: toy. ")
    assert {k: list(params[k]) for k in ("augmenters", "adapters", "captioners")} == {
        "augmenters": ["lesiongen"],
        "adapters": ["lora_concepts"],
        "captioners": ["concepts"],
    }
    assert params["augmenters"]["lesiongen"] == library("toy").params["augmenters"]["lesiongen"]
    assert completed(new) == (new, params), "again changes nothing"
    changed = edited(text, augmenters__majority_to_minority__seed=9)
    assert completed(changed)[1]["augmenters"]["majority_to_minority"]["seed"] == 9


def test_what_is_as_it_was_chosen_stays_byte_for_byte():
    for name in ("default", "toy", "phantom_bench"):
        text = made(name).text
        assert completed(text)[0] == text
    noted = made("toy").text + "# a note\n"
    assert completed(noted)[0] == noted


@pytest.mark.parametrize("profile", names())
def test_a_saved_profile_gives_back_what_was_held_whatever_takes_from_what(profile):
    """majority_to_minority is the parent of the whole ablation: its change must not become theirs."""
    params = held_params(made(profile).text)
    for entry in params["augmenters"].values():
        entry["seed"] = 9
    for entry in list(params["adapters"].values())[:1]:
        entry["rank"] = 3
    params["grid"].pop("ablation", None)
    base = source("default")
    again = expanded(merged(base, overlay_of(base, params))).params
    assert list(changes(only(again, names_in(params)), params)) == []


def test_a_difference_is_shown_and_changes_nothing(monkeypatch, tmp_path):
    shown = configure.difference_lines("phantom_bench")
    assert "+ adapters.lora_flux (25 values)" in shown
    assert "- grid.ablation (7 values)" in shown
    assert "  compute.threads: 2 → 1" in shown
    assert configure.difference_lines("default") == []


def test_the_command_lists_the_profiles_with_a_sentence_each():
    import sys

    shown = run(sys.executable, "-m", "pipeline_steps.configure", cwd=ROOT).stdout.splitlines()
    assert shown[0] == "in use: default"
    assert [line.split()[0] for line in shown[1:]] == names()
    assert all(line.endswith(".") for line in shown[1:])


def test_a_value_lost_with_its_whole_entry_is_refused(tmp_path, monkeypatch):
    """The next profile has no such entry: the edit is no less lost."""
    text = edited(made("default").text, augmenters__img2img_tokens_lora_untrained__seed=4)
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match=r"augmenters\.img2img_tokens_lora_untrained\.seed: 0 became 4"):
        configure.choose("toy")
    assert read_yaml(tmp_path / "params.yaml")["augmenters"]["img2img_tokens_lora_untrained"]["seed"] == 4


@pytest.mark.parametrize("flag", [["--discard"], ["--save", "mine"]])
def test_edits_are_kept_or_let_go_for_a_profile_that_is_named(flag, monkeypatch, capsys):
    """Alone they listed the profiles, saved nothing and ended well."""
    monkeypatch.setattr("sys.argv", ["configure", *flag])
    with pytest.raises(SystemExit) as ended:
        configure.main()
    assert ended.value.code == 2
    assert "configure NAME --save MINE" in capsys.readouterr().err
