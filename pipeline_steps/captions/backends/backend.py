"""What a way to caption images says of itself. All that depends on the backend of a captioner is read from here.

A backend is one file in this folder and one row of ``table.py``; nothing else is touched. The file holds its
parameters, a ``Backend`` and, if it likes, its function. The four that ship keep the function apart, in ``captions/``,
and name it, for the reasons that ``generation.modes.mode`` gives.
"""

from dataclasses import dataclass

from pipeline_steps.parameters.captioners import CaptionerParams


@dataclass(frozen=True)
class Backend:
    """A way to caption images.

    ``caption``: its function, as ``module:function``; called with parameters and a ``Study``, it gives ``Captioned``.
    Which tokenizer and model it needs is seen from the fields of ``params``.
    ``uses_device``: it computes on a GPU if there is one, and its numbers depend on this process's threads.
    """

    name: str
    params: type[CaptionerParams]
    caption: str
    uses_device: bool
