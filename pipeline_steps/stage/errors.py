"""Errors that a user's data can raise."""


class DataError(ValueError):
    """Data that a person must mend: the message gives fact, place and remedy."""


class BadImageError(ValueError):
    """An image that must be quarantined; the message is the reason, as the manifest records it."""
