"""From concepts to a caption that the text encoder holds: nothing is cut silently."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline_steps.captions.template import check_template
from pipeline_steps.records.errors import DataError

CONCEPTS, OTHERS = "{concepts}", "*"
_ABSENT = {"", "0", "0.0", "false", "no", "none", "nan", "unk", "unknown"}


@dataclass(frozen=True)
class Composed:
    """A caption with ``{token}`` and ``{tone}`` open, how many phrases it says, and how many did not fit."""

    caption: str
    said: int
    dropped: int


@dataclass(frozen=True)
class Composer:
    """``text`` holds ``{concepts}``, ``plain`` does not; ``phrases`` by concept, in the order of their weight.

    A phrase may name ``{value}`` and ``{name}``; ``*`` is for concepts that have none of their own. ``count`` counts
    tokens; ``limit`` is what the text encoder holds, ``filling`` the longest words for ``{token}`` and ``{tone}``.
    """

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
            value = str(concepts[name]).strip()
            if value.lower() not in _ABSENT:
                phrase = self.phrases.get(name, self.phrases.get(OTHERS, ""))
                found.append(phrase.replace("{value}", value).replace("{name}", name))
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
