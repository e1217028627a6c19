"""What a way to make images says of itself. All that depends on the mode of an augmenter is read from here.

A mode is one file in this folder and one row of ``table.py``; nothing else is touched. The file holds its parameters,
a ``Mode`` and, if it likes, its function. The six that ship keep the function apart, in ``diffusion/`` or beside this
folder, and name it. For two reasons: the file is imported whenever parameters are checked, which takes a third of a
second, and torch alone takes several; and a stage depends on the code that it can run, so that ``generate`` depends on
all functions, and the check of the parameters on none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_steps.parameters.jobs import JobParams

Entry = Mapping[str, Any]  # an augmenter, as params.yaml has it


def _never(_entry: Entry) -> bool:
    return False


def _same(entry: Entry) -> Entry:
    return entry


@dataclass(frozen=True)
class Mode:
    """A way to make images.

    ``make``: its function, as ``module:function``; called with parameters, ``Inputs``, jobs and the training images,
    it gives ``GeneratedImages``. Which base model, captions, tokens and adapter a mode needs is seen from the fields of
    ``params``.
    ``starts_from_source``: images begin as their sources' pixels; otherwise the source is the image whose caption is
    used, and an image that looks like it is a copy.
    ``uses_device``: it computes on a GPU if there is one.
    ``makes_masks``: whether an augmenter's images come with their lesions' masks.
    ``adapter_task``: the task for which an augmenter's adapter must have been trained, where not any will do.
    ``per_level``: parameters that need an entry for each target level.
    ``as_it_came``: the settings of an augmenter whose base model has learned nothing.
    """

    name: str
    params: type[JobParams]
    make: str
    starts_from_source: bool
    uses_device: bool
    makes_masks: Callable[[Entry], bool] = _never
    adapter_task: str | None = None
    per_level: tuple[str, ...] = ()
    as_it_came: Callable[[Entry], Entry] = _same
