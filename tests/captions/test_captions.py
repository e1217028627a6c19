"""From concepts to captions that the text encoder holds."""

import json

import pandas as pd
import pytest
from conftest import ROOT, whole
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from pipeline_steps import caption
from pipeline_steps.captions.backends.concepts import ConceptParams
from pipeline_steps.captions.captioner import Study
from pipeline_steps.captions.compose import Reader, new_composer
from pipeline_steps.captions.tokens import token_counter
from pipeline_steps.items.store import ItemStore
from pipeline_steps.parameters.captioners import TokenizerParams
from pipeline_steps.stage.errors import DataError

LEVELS = tuple("123456")
SHIPPED = TokenizerParams(
    location="models/base/phantom-sd", subfolder="tokenizer", revision=None, max_tokens=64, short=None
)
TONES = {t: f"tone {t}" for t in range(1, 7)}


def _words(text):
    return len(text.split())


def _composer(limit, phrases=None, short=None):
    phrases = phrases or {"colour": "{value}", "border": "{value} border", "texture": "{value}"}
    filling = {"{token}": "basal cell carcinoma", "{level}": "very dark"}
    whole = Reader(_words, limit, filling)
    # The other text encoder spells: its tokens are letters.
    other = Reader(len, short, filling) if short else None
    return new_composer("{token}: {concepts}, on {level} skin", "{token}, on {level} skin", phrases, whole, other)


def _params(**changes):
    values = {
        "backend": "concepts",
        "text": "{token}: {concepts}, on {level} skin",
        "plain": "{token}, on {level} skin",
    }
    given = {"phrases": {"colour": "{value}"}, "tokenizer": SHIPPED, "level_words": TONES}
    return ConceptParams.model_validate(values | given | changes)


def test_concepts_are_said_in_the_order_of_their_weight():
    made = _composer(99).compose({"texture": "scaly", "colour": "red", "border": "sharp", "itch": "true"})
    assert made.caption == "{token}: red, sharp border, scaly, on {level} skin"
    assert (made.phrases, made.dropped) == (3, 0)


@pytest.mark.parametrize("absent", ["", 0, "0", "False", None, float("nan"), "UNK", "no"])
def test_what_is_absent_has_no_phrase(absent):
    assert _composer(99).compose({"colour": "red", "border": absent}).caption == "{token}: red, on {level} skin"


def test_an_annotation_opens_no_place():
    assert _composer(99).compose({"colour": "{level} red"}).caption == "{token}: level red, on {level} skin"


@pytest.mark.parametrize("phrase", ["{name}", "{value}"])
def test_yes_or_no_concepts_say_their_name(phrase):
    """SkinCon's columns hold 0 and 1, PAD-UFES-20's True and False."""
    made = _composer(99, {"Scale": phrase, "*": phrase}).compose({"Papule": 1, "Scale": "True", "Plaque": 0})
    assert made.caption == "{token}: Scale, Papule, on {level} skin"


@given(st.lists(st.text("abc ", min_size=1).filter(str.strip), max_size=8), st.integers(7, 30))
def test_captions_fit_and_nothing_is_lost_uncounted(values, limit):
    concepts = {f"c{i}": v for i, v in enumerate(values)}
    composer = _composer(limit, {"*": "{value}"})
    made = composer.compose(concepts)
    assert composer.whole.length(made.caption) <= limit
    assert (made.short, made.short_phrases) == (made.caption, made.phrases), "one text encoder alone"
    assert made.phrases + made.dropped == len(values)
    for i, value in enumerate(values):
        assert i >= made.phrases or value.strip() in made.caption
    if made.dropped and made.phrases:
        longer = ", ".join(v.strip() for v in values[: made.phrases + 1])
        assert composer.whole.length(composer.text.replace("{concepts}", longer)) > limit


@given(st.lists(st.text("abc ", min_size=1).filter(str.strip), max_size=8), st.integers(7, 30), st.integers(40, 80))
def test_a_short_caption_says_as_many_of_the_same_phrases_as_its_reader_holds(values, limit, short):
    concepts = {f"c{i}": v for i, v in enumerate(values)}
    composer = _composer(limit, {"*": "{value}"}, short)
    made, alone = composer.compose(concepts), _composer(limit, {"*": "{value}"}).compose(concepts)
    assert (made.caption, made.phrases, made.dropped) == (alone.caption, alone.phrases, alone.dropped)
    said = ", ".join(v.strip() for v in values[: made.short_phrases])
    assert made.short == (composer.text.replace("{concepts}", said) if said else composer.plain)
    assert made.short_phrases <= made.phrases
    assert composer.short.length(made.short) <= short
    if made.short_phrases < made.phrases:
        longer = ", ".join(v.strip() for v in values[: made.short_phrases + 1])
        assert composer.short.length(composer.text.replace("{concepts}", longer)) > short


def test_texts_that_cannot_fit_or_lack_a_place_are_refused():
    with pytest.raises(DataError, match=r"has 7 tokens .* holds 6; .* tokenizer\.max_tokens"):
        _composer(6)
    with pytest.raises(DataError, match=r"has 39 tokens .* holds 20; .* tokenizer\.short\.max_tokens"):
        _composer(9, short=20)
    whole = Reader(_words, 9, {})
    with pytest.raises(DataError, match=r"must hold \{concepts\}"):
        new_composer("{token} on {level}", "{token} on {level}", {}, whole)
    with pytest.raises(DataError, match=r"\{token\} and \{level\}"):
        new_composer("{token}: {concepts}", "{token} on {level}", {}, whole)


def test_lengths_are_those_of_the_text_encoders_tokenizer():
    own = CLIPTokenizer.from_pretrained("models/base/phantom-sd", subfolder="tokenizer")
    text = "squamous cell carcinoma: violaceous with grey scale, irregular border, on very dark skin"
    assert token_counter(SHIPPED, "tokenizer")(text) == len(own(text).input_ids)
    with pytest.raises(DataError, match="no tokenizer at models/nowhere"):
        token_counter(SHIPPED.model_copy(update={"location": "models/nowhere"}), "tokenizer")


def test_captions_of_a_study_and_their_counts(tmp_path):
    study = pd.DataFrame(
        {
            "condition": ["psoriasis", "basal cell carcinoma"],
            "attributes": [json.dumps({"colour": "red with silvery scale"}), ""],
        }
    )
    what = Study(study, tmp_path, ItemStore(tmp_path))
    made = caption.caption(_params(), what, LEVELS)
    assert made.captions == ["{token}: red with silvery scale, on {level} skin", "{token}, on {level} skin"]
    assert made.short_captions == made.captions
    assert made.counts == {"without_concepts": 1, "shortened": 0, "phrases_said": 1, "phrases_dropped": 0}
    with pytest.raises(DataError, match="no words for level 6"):
        caption.caption(_params(level_words=dict.fromkeys(range(1, 6), "x")), what, LEVELS)


def test_short_captions_fit_under_every_tone_and_leave_room_for_no_other_name(tmp_path):
    """With the shipped Flux's tokenizers: its CLIP spells the names of conditions, its T5 knows them."""
    given = whole()["captioners"]["border_and_colour"]
    tokenizer = given["tokenizer"] | {"short": {"subfolder": "tokenizer", "max_tokens": 58}}
    texts = {"text": "{token}, {level}: {concepts}", "plain": "{token}, {level}"}
    params = ConceptParams.model_validate(given | texts | {"tokenizer": tokenizer})
    attributes = {"symmetry": "symmetric", "border": "rolled", "colour": "violaceous with grey scale"}
    conditions = ["psoriasis", "neutrophilic dermatoses"]
    rows = pd.DataFrame({"condition": conditions, "attributes": json.dumps(attributes)})
    made = caption.caption(params, Study(rows, tmp_path, ItemStore(tmp_path)), LEVELS)
    clip = CLIPTokenizer.from_pretrained(ROOT / "models/base/phantom-flux", subfolder="tokenizer")
    longest = []
    for condition, short in zip(conditions, made.short_captions, strict=True):
        named = short.replace("{token}", condition)
        longest.append(max(len(clip(named.replace("{level}", tone)).input_ids) for tone in params.level_words.values()))
    assert max(longest) <= 58
    assert made.short_captions[0] == made.captions[0], "a short name leaves room for all phrases"
    assert made.short_captions[1] == "{token}, {level}: symmetric, rolled border"
    assert made.counts["phrases_not_in_short"] == 1
