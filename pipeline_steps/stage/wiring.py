"""Whether a stage was given what its parameters name: paths come from ``cells.yaml``, names from ``params.yaml``."""

from collections.abc import Mapping
from pathlib import Path

from pipeline_steps.stage.params import ParamsError

NOTHING = "models/none"  # the path of what a cell does not need
SYNTHETIC = ("syn", "real_syn")  # mixtures that need an augmenter's images
MAKER = "python -m pipeline_steps.configure --cells"
REMEDY = f"run: {MAKER}"


def check_wiring(entry: str, wired: Mapping[str, tuple[str | None, object]]) -> None:
    """Whether what ``entry`` of params.yaml names is what its cell was given.

    ``wired``: by parameter, what it says (None: nothing), and the name or path that the cell has. A name is compared
    with the last part of a path.

    Raises:
        ParamsError: they differ: ``cells.yaml`` is older than the parameters.
    """
    lines = [
        f"{entry}.{parameter} is {'null' if said is None else said}, and its cell is wired to {given}"
        for parameter, (said, given) in wired.items()
        if not _same(said, Path(str(given)))
    ]
    if lines:
        raise ParamsError(f"{'; '.join(lines)}: cells.yaml is not what the grid expands to; {REMEDY}")


def _same(said: str | None, given: Path) -> bool:
    if said is None:
        return given in {Path(NOTHING), Path(Path(NOTHING).name)}
    return given == Path(said) if "/" in said else given.name == said


def on_split(name: str | None, split: Path) -> str | None:
    """The name of the cell of ``name`` on ``split``, such as ``tokens-iii-0``; None where ``name`` is None."""
    return None if name is None else f"{name}-{split.stem}"


def check_images(entry: str, images: str, synthetic: Path) -> None:
    """Whether an arm that needs generated images was given some, and one that does not was given none.

    Raises:
        ParamsError: else.
    """
    if (images in SYNTHETIC) == (synthetic == Path(NOTHING)):
        raise ParamsError(
            f"{entry}.images is {images}, and its cell is wired to {synthetic}: "
            f"cells.yaml is not what the grid expands to; {REMEDY}"
        )
