"""Functions that a table names rather than imports, so that reading the table loads no library that they need.

A name is ``module:function``. Where a stage imports this module, ``items.closure`` counts the names in the tables that
it imports as imports: the stage depends on the code of what it can call. The check of the parameters does not.
"""

import pkgutil
from typing import Any


def named_function(place: str) -> Any:
    """The function at ``place``, such as ``pipeline_steps.generation.recoloring:recolor``; its module is imported."""
    return pkgutil.resolve_name(place)
