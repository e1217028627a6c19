"""Conditions as names of files, folders and tokens: bounded, distinct, and the default's as they were."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_steps.datasets.phantom_table1 import TABLE_1
from pipeline_steps.diffusion import adapters, augment
from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, load_tokens, save_tokens
from pipeline_steps.diffusion.inversion import Inversion, start_tokens
from pipeline_steps.generation.jobs import plan_jobs
from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.records import slugs
from pipeline_steps.records.captioned import Captions, Prompt
from pipeline_steps.records.slugs import placeholder, require_distinct, slug
from pipeline_steps.stage.errors import DataError

AWKWARD = [
    "benign/malignant",
    "../../escape",
    "sun burn",
    "sun_burn",
    "sun-burn",
    "sun  burn",
    "Sun burn",
    "sunburn.",
    "x" * 300,
    "x" * 299 + "y",
    "psoriasis " * 30,
    "schuppenflechte größe",
    "grosse",
    "große",
    "乾癬",
    "湿疹",
    "😀",
    "con",
    "denoiser",
    ".",
    "a\nb",
    "a\tb",
    "50 %",
    "5",
    "é",
    "e\u0301",
]


@pytest.mark.parametrize("label", AWKWARD)
def test_a_name_is_short_and_plain(label):
    assert re.fullmatch(r"[a-z0-9_-]{1,64}", slug(label))
    assert re.fullmatch(r"<[a-z0-9_-]{1,64}>", placeholder(label))


def test_no_two_labels_share_a_name_in_any_file_system():
    assert len({slug(label).casefold() for label in AWKWARD}) == len(AWKWARD)
    assert len({placeholder(label) for label in AWKWARD}) == len(AWKWARD)


@given(st.text(min_size=1), st.text(min_size=1))
@example("a b", "a_b")
@example("a", "A")
@example("x" * 65, "x" * 64)
def test_distinct_labels_have_distinct_names(one, other):
    assert (slug(one) == slug(other)) == (one == other)
    assert (placeholder(one) == placeholder(other)) == (one == other)
    assert re.fullmatch(r"[a-z0-9_-]{1,64}", slug(one))


@pytest.mark.parametrize("condition", TABLE_1)
def test_the_papers_conditions_keep_their_names(condition):
    assert slug(condition) == condition.replace(" ", "_")
    assert placeholder(condition) == f"<{condition.replace(' ', '-')}>"


def test_two_conditions_of_one_name_are_refused(monkeypatch):
    require_distinct(AWKWARD)
    with pytest.raises(DataError, match="' ', which is blank"):
        require_distinct(["psoriasis", " "])
    monkeypatch.setattr(slugs, "slug", lambda _label: "same")
    with pytest.raises(DataError, match=r"'psoriasis' and 'eczema', which would share the file name same"):
        require_distinct(["psoriasis", "psoriasis", "eczema"])


def _jobs(conditions):
    rows = {"image_id": [f"p{i}" for i in range(len(conditions))], "condition": conditions, "level": "1"}
    params = JobParams(
        mode="any", images_per_source=1, max_sources=0, target_levels=("5",), level_choice="random", seed=0
    )
    return plan_jobs(pd.DataFrame(rows).assign(sha256=rows["image_id"]), params)


def test_every_condition_has_one_folder_of_images_and_one_adapter(tmp_path):
    jobs = _jobs(AWKWARD)
    folders = {job.file_name.rsplit("/", 1)[0] for job in jobs}
    assert len(folders) == len(AWKWARD)
    assert not [name for name in folders if "/" in name]
    for condition in AWKWARD:
        (tmp_path / slug(condition)).mkdir()
        (tmp_path / slug(condition) / adapters.WEIGHTS).write_bytes(b"")
    chosen = augment._by_adapter(tmp_path, jobs)
    assert sorted(mine for _, (mine,) in chosen) == list(range(len(AWKWARD)))
    assert {jobs[mine].condition: weights.name for weights, (mine,) in chosen} == {c: slug(c) for c in AWKWARD}


def test_every_conditions_token_comes_back_from_its_own_file(tmp_path):
    tokens = Tokens({c: (placeholder(c), torch.full((1, 4), float(i))) for i, c in enumerate(AWKWARD)})
    save_tokens(tokens, tmp_path)
    found = load_tokens(tmp_path).vectors
    assert {c: float(vectors[0, 0]) for c, (_, vectors) in found.items()} == {c: i for i, c in enumerate(AWKWARD)}


def _components(tiny_sd):
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(tiny_sd, subfolder="tokenizer")
    return SimpleNamespace(
        tokenizer=tokenizer, text_encoder=CLIPTextModel.from_pretrained(tiny_sd, subfolder="text_encoder")
    )


def test_labels_that_a_tokenizer_would_fold_get_tokens_of_their_own(tiny_sd):
    c = _components(tiny_sd)
    conditions = ("psoriasis", "Psoriasis", "sun burn", "sun-burn", "乾癬")
    tokens = start_tokens(c, Inversion(conditions, 2, "skin", ("{token}",)))
    ids = [tuple(c.tokenizer(tokens.name(condition)).input_ids) for condition in conditions]
    assert len(set(ids)) == len(conditions)
    assert {len(found) for found in ids} == {4}, "start, two pieces, end"


def test_a_condition_that_the_base_model_has_a_token_for_is_refused(tiny_sd):
    c = _components(tiny_sd)
    c.tokenizer.add_tokens(["<pad>"])
    with pytest.raises(DataError, match=r"already knows <pad>, .* rename that condition"):
        add_tokens(c, Tokens({"pad": (placeholder("pad"), torch.zeros(1, 32))}))


def test_a_conditions_own_braces_open_no_place():
    said = Captions({"a": Prompt("{token} on {level} skin", "{token}")}, {"5": "dark"})
    assert said.prompt("a", "the {level} kind", "5") == Prompt("the {level} kind on dark skin", "the {level} kind")
