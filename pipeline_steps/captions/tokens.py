"""Lengths in tokens of the text encoder that will read the captions."""

from collections.abc import Callable

from pipeline_steps.checkpoints.locations import commit_of
from pipeline_steps.parameters.captioners import TokenizerParams
from pipeline_steps.stage.errors import DataError


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
