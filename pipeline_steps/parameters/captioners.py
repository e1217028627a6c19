"""How images are captioned: the parameters that several backends share."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, PositiveInt, ValidatorFunctionWrapHandler, WrapValidator

from pipeline_steps.parameters.bounds import Fraction, NonEmpty
from pipeline_steps.parameters.words import Phrases
from pipeline_steps.stage.params import Params

TOKEN, LEVEL, CONCEPTS = "{token}", "{level}", "{concepts}"


def _template(text: str) -> str:
    rest = text.replace(TOKEN, "", 1).replace(LEVEL, "", 1)
    if TOKEN not in text or LEVEL not in text or "{" in rest or "}" in rest:
        raise ValueError("it should hold {token} and {level} once each, and no other braces")
    return text


def _text(text: str) -> str:
    if CONCEPTS not in text:
        raise ValueError("it should hold {concepts}")
    _template(text.replace(CONCEPTS, ""))
    return text


Template = Annotated[str, AfterValidator(_template)]


def _name_or_phrases(value: Any, phrases: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, str) and value else phrases(value)


class CaptionerParams(Params):
    """What every entry of ``captioners`` in params.yaml says: the backend, and what it calls each level.

    ``level_words`` names a set of ``population.words``, which ``worded`` replaces by the set; or it is one: a phrase a
    level, and for the groups of skin types 12, 34 and 56, too, where they do not take that of type 2, 4 or 5.
    """

    backend: str
    level_words: Annotated[Phrases, WrapValidator(_name_or_phrases)]


C = TypeVar("C", bound=CaptionerParams)


def worded(params: C, words: Mapping[str, Phrases]) -> C:
    """``params`` whose ``level_words`` are phrases: those of the set in ``words`` that they name."""
    named: Any = params.level_words
    return params.model_copy(update={"level_words": words[named]}) if isinstance(named, str) else params


class ShortParams(Params):
    """The tokenizer of a second text encoder of the same model, and what that holds."""

    subfolder: str
    max_tokens: PositiveInt


class TokenizerParams(Params):
    """Of the text encoder that reads the whole caption.

    ``location``: a folder in transformers' layout or a hub id (``subfolder`` within it); ``max_tokens`` it holds;
    ``short``: of the one beside it that gets a short caption (Flux: T5 reads the whole, CLIP the short one), or null.
    """

    location: NonEmpty
    subfolder: str
    revision: str | None
    max_tokens: PositiveInt
    short: ShortParams | None


class ComposedParams(CaptionerParams):
    """Captions that are composed of concepts.

    ``text`` holds ``{concepts}``, ``plain`` (for images without any) does not; ``phrases`` are by concept, in the order
    of their weight, and may name ``{value}`` (of a concept that is simply present: its name) and ``{name}``; ``*`` is
    for concepts that have none of their own.
    """

    text: Annotated[str, AfterValidator(_text)]
    plain: Template
    phrases: dict[str, str]
    tokenizer: TokenizerParams


class ReportParams(ComposedParams):
    """What to ask (``schema_name``; ``reveal_condition``: tell the model the diagnosis), and when to give up.

    Above ``max_failure_fraction``, the share of images without a usable report, the stage fails.
    """

    schema_name: Literal["dermaflux", "lesiongen", "marks"]
    reveal_condition: bool
    max_failure_fraction: Fraction
