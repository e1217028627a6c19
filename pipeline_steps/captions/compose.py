"""From concepts to captions that the text encoders hold: whole phrases are left out and counted, no word is cut.

Where a second text encoder holds less (Flux's CLIP beside T5), it gets a short caption of its own: as many of the long
caption's phrases, from the front, as it holds. FluxPipeline calls the short one ``prompt``, the long ``prompt_2``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.captions.template import check_template
from pipeline_steps.captions.tokens import token_counter
from pipeline_steps.items.store import CacheStats
from pipeline_steps.parameters.captioners import CONCEPTS, LEVEL, TOKEN, ComposedParams
from pipeline_steps.records.unknown import is_unknown
from pipeline_steps.stage.errors import DataError

OTHERS = "*"
_ABSENT = {"0", "0.0", "false", "no", "not visible"}  # annotations that say a concept is not there
_NO_BRACES = str.maketrans("", "", "{}")  # an annotation must not open a place of the caption
_PRESENT = {"1", "1.0", "true", "yes"}


@dataclass(frozen=True)
class Reader:
    """A text encoder that holds ``limit`` tokens, counted by ``count``; ``filling``: each place's longest words."""

    count: Callable[[str], int]
    limit: int
    filling: Mapping[str, str]

    def length(self, caption: str) -> int:
        """Tokens of a caption with its longest filling."""
        for place, words in self.filling.items():
            caption = caption.replace(place, words)
        return self.count(caption)


@dataclass(frozen=True)
class Composed:
    """A caption with ``{token}`` and ``{level}`` open, how many phrases it holds, and how many did not fit.

    ``short``: the caption of the text encoder that holds less, and how many phrases that one holds; else the same.
    """

    caption: str
    phrases: int
    dropped: int
    short: str
    short_phrases: int


@dataclass(frozen=True)
class Composer:
    """Texts and phrases as in ``ComposedParams``; text encoders of the ``whole`` and, if any, the ``short`` caption."""

    text: str
    plain: str
    phrases: Mapping[str, str]
    whole: Reader
    short: Reader | None

    def compose(self, concepts: Mapping[str, object]) -> Composed:
        """The caption of an image; absent concepts have no phrase, and what does not fit is left out from the end."""
        phrases = self._phrases(concepts)
        caption, kept = self._fitting(phrases, self.whole)
        short, short_kept = self._fitting(phrases[:kept], self.short) if self.short else (caption, kept)
        return Composed(caption, kept, len(phrases) - kept, short, short_kept)

    def _fitting(self, phrases: Sequence[str], reader: Reader) -> tuple[str, int]:
        """The caption of as many of ``phrases`` as the reader holds, and how many those are."""
        for n in range(len(phrases), 0, -1):
            caption = self.text.replace(CONCEPTS, ", ".join(phrases[:n]))
            if reader.length(caption) <= reader.limit:
                return caption, n
        return self.plain, 0

    def _phrases(self, concepts: Mapping[str, object]) -> list[str]:
        """A phrase for each concept that is present."""
        known = [name for name in self.phrases if name in concepts]
        others = [name for name in concepts if name not in self.phrases] if OTHERS in self.phrases else []
        found = []
        for name in (*known, *others):
            value = str(concepts[name]).translate(_NO_BRACES).strip()
            if value.lower() not in _ABSENT and not is_unknown(value):
                phrase = self.phrases.get(name, self.phrases.get(OTHERS, ""))
                shown = name if value.lower() in _PRESENT else value
                found.append(phrase.replace("{value}", shown).replace("{name}", name))
        return found


def new_composer(
    text: str, plain: str, phrases: Mapping[str, str], whole: Reader, short: Reader | None = None
) -> Composer:
    """A composer whose shortest caption fits.

    Raises:
        DataError: a text lacks an open place, or is too long even without concepts.
    """
    if CONCEPTS not in text:
        raise DataError(f"caption text {text!r} must hold {CONCEPTS}")
    check_template(text.replace(CONCEPTS, ""))
    for reader, entry in ((whole, "tokenizer"), (short, "tokenizer.short")):
        if reader and (length := reader.length(plain)) > reader.limit:
            raise DataError(
                f"caption text {plain!r} has {length} tokens with its longest condition and tone, and the text encoder "
                f"holds {reader.limit}; shorten plain, or raise {entry}.max_tokens"
            )
    return Composer(text, check_template(plain), phrases, whole, short)


def compose_all(
    params: ComposedParams, study: Study, concepts: Sequence[Mapping[str, object]], use: CacheStats
) -> Captioned:
    """Captions of all rows from their ``concepts``; phrases kept and dropped, and images without concepts, are counted.

    Raises:
        DataError: a text lacks its open places, or does not fit the text encoder even without concepts.
    """
    conditions = study.rows["condition"]
    composers = _composers(params, sorted(set(conditions)))
    made = [composers[condition].compose(c) for condition, c in zip(conditions, concepts, strict=True)]
    counts: dict[str, int | dict[str, int]] = {
        "without_concepts": sum(not c.phrases for c in made),
        "shortened": sum(c.dropped > 0 for c in made),
        "phrases_said": sum(c.phrases for c in made),
        "phrases_dropped": sum(c.dropped for c in made),
    }
    if params.tokenizer.short:
        counts["phrases_not_in_short"] = sum(c.phrases - c.short_phrases for c in made)
    return Captioned([c.caption for c in made], [c.short for c in made], counts, use)


def _composers(params: ComposedParams, conditions: Sequence[str]) -> dict[str, Composer]:
    """A composer for each condition, whose own name short captions leave room for.

    Whole captions leave room for the longest of all names: where there is one text encoder, a learned token may be
    longer than a short name; beside two, there are none (``parameters.inversions``).
    """
    t, words = params.tokenizer, params.level_words.values()
    count = token_counter(t, t.subfolder)
    whole = Reader(count, t.max_tokens, {TOKEN: max(conditions, key=count), LEVEL: max(words, key=count)})
    short: dict[str, Reader] = {}
    if t.short:
        count_short = token_counter(t, t.short.subfolder)
        longest = max(words, key=count_short)
        short = {c: Reader(count_short, t.short.max_tokens, {TOKEN: c, LEVEL: longest}) for c in conditions}
    return {c: new_composer(params.text, params.plain, params.phrases, whole, short.get(c)) for c in conditions}
