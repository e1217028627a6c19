"""What images are made for: the minority's skin, unless the parameters name other types."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from conftest import ROOT, whole
from pydantic import ValidationError

from pipeline_steps import generate, invert_tokens
from pipeline_steps.generation.jobs import GeneratedImages, plan_jobs
from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.stage.errors import DataError

PARAMS = whole()
TRAIN = pd.DataFrame(
    {
        "image_id": [f"p{i}" for i in range(60)],
        "sha256": [f"{i}" for i in range(60)],
        "condition": ["psoriasis", "folliculitis", "basal cell carcinoma"] * 20,
        "level": ["1", "2"] * 30,
    }
)


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """A function from parameters and an augmenter to the target types of the jobs that the stage plans."""
    seen = []

    def plan(params, _inputs, _out):
        seen.append({job.target_level for job in plan_jobs(TRAIN, params.model_copy(update={"max_sources": 0}))})
        return GeneratedImages([], [], [], "", 0, 0)

    def run(params, augmenter):
        Path("params.yaml").write_text(json.dumps(params))
        paths = [
            word
            for flag in ("dataset", "split", "captions", "tokens", "adapter", "base", "weights", "out")
            for word in (f"--{flag}", ".")
        ]
        monkeypatch.setattr("sys.argv", ["generate", *paths, "--augmenter", augmenter])
        generate.main()
        return seen[-1]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generate, "generate", plan)
    monkeypatch.setattr(generate, "_check_wiring", lambda *_: None)
    monkeypatch.setattr(generate, "use_threads", lambda _threads: None)
    return run


@pytest.mark.parametrize("minority", [[4], [3, 4, 5, 6], [1, 2], [5, 6]])
def test_images_are_made_for_the_minority(planned, minority):
    params = {**PARAMS, "population": {**PARAMS["population"], "minority": minority}}
    found = {augmenter: planned(params, augmenter) for augmenter in PARAMS["augmenters"]}
    assert found == {name: {*map(str, minority)} for name in PARAMS["augmenters"]}


def test_named_types_are_made_and_it_says_so_where_they_are_not_the_minoritys(planned, capsys):
    settings = {**PARAMS["augmenters"]["lesiongen"], "target_levels": [2, 3]}
    assert planned({**PARAMS, "augmenters": {"mine": settings}}, "mine") == {"2", "3"}
    assert "augmenters.mine asks for skin types II, III, the minority is skin types V, VI" in capsys.readouterr().out
    planned(PARAMS, "lesiongen")
    assert "asks for" not in capsys.readouterr().out


@pytest.mark.parametrize("types", [[], [True], [[5]], [None], ["unknown"], "majority", "5"])
def test_targets_that_are_no_levels_are_refused(types):
    given = {"mode": "any", "images_per_source": 1, "max_sources": 0, "level_choice": "random", "seed": 0}
    with pytest.raises(ValidationError):
        JobParams.model_validate({**given, "target_levels": types})


@pytest.mark.parametrize("profile", sorted(f.stem for f in (ROOT / "config/profiles").glob("*.yaml")))
def test_profiles_name_types_only_where_they_are_not_the_minority(profile):
    """Else changing the minority there would leave the targets behind."""
    params = whole(profile)
    minority = set(params["population"]["minority"])
    repeated = [name for name, a in params["augmenters"].items() if set(a["target_levels"]) == minority]
    assert repeated == []


def test_a_source_known_by_its_group_alone_gets_a_type_by_choice():
    params = JobParams(
        mode="any", images_per_source=4, max_sources=0, target_levels=(5, 6), level_choice="balanced", seed=0
    )
    jobs = plan_jobs(TRAIN.assign(level=["12", "56"] * 30), params)
    counted = pd.Series([(job.source_level, job.target_level) for job in jobs]).value_counts().to_dict()
    assert counted == {(group, level): 60 for group in ("12", "56") for level in "56"}


class _ModelLoadedError(Exception):
    pass


@pytest.mark.parametrize(
    ("levels", "refused"),
    [(["5", "6"], True), (["56"], True), (["female"], True), (["1", "2"], False), (["2", "3"], False), (["12"], False)],
)
def test_templates_that_speak_of_light_skin_teach_no_tokens_of_dark_images(levels, refused, tmp_path, monkeypatch):
    """Else a token would learn to darken what the words call light."""

    def load(_base):
        raise _ModelLoadedError

    train = TRAIN.assign(level=levels * (60 // len(levels)), population="majority", partition="train")
    train.to_parquet(tmp_path / "iii-0.parquet")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(invert_tokens, "family", lambda _base: SimpleNamespace(load=load))
    params = invert_tokens.InversionParams.model_validate(PARAMS["inversions"]["tokens"])
    wanted = (
        (DataError, "templates speak of level 1, 2, .* images are of (5|female)")
        if refused
        else (_ModelLoadedError, None)
    )
    with pytest.raises(wanted[0], match=wanted[1]):
        invert_tokens.invert(params, tmp_path, tmp_path / "iii-0.parquet", tmp_path / "tokens-iii-0")
