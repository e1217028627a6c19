"""Lengths in tokens of the text encoder that will read the captions."""

from collections.abc import Callable

from pipeline_steps.records.errors import DataError
from pipeline_steps.records.locations import commit_of
from pipeline_steps.stage.params import Params


class ShortParams(Params):
    """The tokenizer of a second text encoder of the same model, and what that holds."""

    subfolder: str
    max_tokens: int


class TokenizerParams(Params):
    """Of the text encoder that reads the whole caption.

    ``location``: a folder in transformers' layout or a hub id (``subfolder`` within it); ``max_tokens`` it holds;
    ``short``: of the one beside it that gets a short caption (Flux: T5 reads the whole, CLIP the short one), or null.
    """

    location: str
    subfolder: str
    revision: str | None
    max_tokens: int
    short: ShortParams | None


def token_counter(params: TokenizerParams, subfolder: str) -> Callable[[str], int]:
    """A function from text to its number of tokens, begin and end included, by the tokenizer in ``subfolder``.

    Raises:
        DataError: there is no tokenizer, or its hub model has no pin.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # lengths above the limit are this module's question, not a warning
    place = {"revision": commit} if (commit := commit_of(params.location, params.revision)) else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(params.location, subfolder=subfolder, **place)
    except (OSError, ValueError) as error:
        raise DataError(
            f"no tokenizer at {params.location}/{subfolder}: {str(error).splitlines()[0]}; "
            "set the captioner's tokenizer.location"
        ) from None
    return lambda text: len(tokenizer(text).input_ids)
