"""The one error a user's data can raise."""


class DataError(ValueError):
    """Data that a person must mend: the message gives fact, place and remedy."""
