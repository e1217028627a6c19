"""Lengths in tokens of the text encoder that will read the captions."""

from collections.abc import Callable

from pipeline_steps.records.errors import DataError
from pipeline_steps.stage.params import Params


class TokenizerParams(Params):
    """``location``: a folder in transformers' layout or a hub id (``subfolder`` within it); ``max_tokens`` it holds."""

    location: str
    subfolder: str
    revision: str | None
    max_tokens: int


def token_counter(params: TokenizerParams) -> Callable[[str], int]:
    """A function from text to its number of tokens, begin and end included.

    Raises:
        DataError: there is no tokenizer at ``location``.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # lengths above the limit are this module's question, not a warning
    try:
        tokenizer = AutoTokenizer.from_pretrained(params.location, subfolder=params.subfolder, revision=params.revision)
    except (OSError, ValueError) as error:
        raise DataError(
            f"no tokenizer at {params.location}/{params.subfolder}: {str(error).splitlines()[0]}; "
            "set the captioner's tokenizer.location"
        ) from None
    return lambda text: len(tokenizer(text).input_ids)
