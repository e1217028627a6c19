"""From concepts to a caption that the text encoder holds: nothing is cut silently."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline_steps.captions.captioner import Captioned, CaptionerParams, Study
from pipeline_steps.captions.template import TOKEN, TONE, check_template
from pipeline_steps.captions.tokens import TokenizerParams, token_counter
from pipeline_steps.items.store import Use
from pipeline_steps.records.errors import DataError

CONCEPTS, OTHERS = "{concepts}", "*"
_ABSENT = {"", "0", "0.0", "false", "no", "none", "nan", "unk", "unknown", "n/a", "not visible"}
_NO_BRACES = str.maketrans("", "", "{}")  # an annotation must not open a place of the caption
_PRESENT = {"1", "1.0", "true", "yes"}


class ComposedParams(CaptionerParams):
    """Captions that are composed of concepts.

    ``text`` holds ``{concepts}``, ``plain`` (for images without any) does not; ``phrases`` are by concept, in the order
    of their weight, and may name ``{value}`` (of a concept that is simply present: its name) and ``{name}``; ``*`` is
    for concepts that have none of their own.
    """

    text: str
    plain: str
    phrases: dict[str, str]
    tokenizer: TokenizerParams


@dataclass(frozen=True)
class Composed:
    """A caption with ``{token}`` and ``{tone}`` open, how many phrases it says, and how many did not fit."""

    caption: str
    said: int
    dropped: int


@dataclass(frozen=True)
class Composer:
    """``count`` counts tokens, of which the text encoder holds ``limit``; ``filling``: the places' longest words."""

    text: str
    plain: str
    phrases: Mapping[str, str]
    count: Callable[[str], int]
    limit: int
    filling: Mapping[str, str]

    def compose(self, concepts: Mapping[str, object]) -> Composed:
        """The caption of an image; what is absent is not said, what does not fit is left out from the end."""
        phrases = list(self._said(concepts))
        for n in range(len(phrases), 0, -1):
            caption = self.text.replace(CONCEPTS, ", ".join(phrases[:n]))
            if self.length(caption) <= self.limit:
                return Composed(caption, n, len(phrases) - n)
        return Composed(self.plain, 0, len(phrases))

    def _said(self, concepts: Mapping[str, object]) -> list[str]:
        known = [name for name in self.phrases if name in concepts]
        others = [name for name in concepts if name not in self.phrases] if OTHERS in self.phrases else []
        found = []
        for name in (*known, *others):
            value = str(concepts[name]).translate(_NO_BRACES).strip()
            if value.lower() not in _ABSENT:
                phrase = self.phrases.get(name, self.phrases.get(OTHERS, ""))
                said = name if value.lower() in _PRESENT else value
                found.append(phrase.replace("{value}", said).replace("{name}", name))
        return found

    def length(self, caption: str) -> int:
        """Tokens of a caption with its longest filling."""
        for place, words in self.filling.items():
            caption = caption.replace(place, words)
        return self.count(caption)


def new_composer(
    text: str,
    plain: str,
    phrases: Mapping[str, str],
    count: Callable[[str], int],
    limit: int,
    filling: Mapping[str, str],
) -> Composer:
    """A composer whose shortest caption fits.

    Raises:
        DataError: a text lacks an open place, or is too long even without concepts.
    """
    if CONCEPTS not in text:
        raise DataError(f"caption text {text!r} must hold {CONCEPTS}")
    check_template(text.replace(CONCEPTS, ""))
    composer = Composer(text, check_template(plain), phrases, count, limit, filling)
    if (length := composer.length(plain)) > limit:
        raise DataError(
            f"caption text {plain!r} has {length} tokens with its longest condition and tone, and the text encoder "
            f"holds {limit}; shorten plain, or raise tokenizer.max_tokens"
        )
    return composer


def compose_all(params: ComposedParams, study: Study, concepts: Sequence[Mapping[str, object]], use: Use) -> Captioned:
    """Captions of all rows from their ``concepts``; what was said, shortened or lacking is counted.

    Raises:
        DataError: a text lacks its open places, or does not fit the text encoder even without concepts.
    """
    count = token_counter(params.tokenizer)
    filling = {
        TOKEN: max(sorted(set(study.rows["condition"])), key=count),
        TONE: max(params.tones.values(), key=count),
    }
    composer = new_composer(params.text, params.plain, params.phrases, count, params.tokenizer.max_tokens, filling)
    made = [composer.compose(c) for c in concepts]
    counts: dict[str, int | dict[str, int]] = {
        "without_concepts": sum(not c.said for c in made),
        "shortened": sum(c.dropped > 0 for c in made),
        "phrases_said": sum(c.said for c in made),
        "phrases_dropped": sum(c.dropped for c in made),
    }
    return Captioned([c.caption for c in made], counts, use)
