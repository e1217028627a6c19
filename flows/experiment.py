"""A flow run as a DVC experiment: parameters overridden as by ``dvc exp run -S``, the result saved under a name."""

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.hydra import apply_overrides


def override(overrides: list[str]) -> None:
    """Write Hydra-style overrides such as ``classifier.updates=200`` into ``params.yaml``, comments kept.

    Raises:
        ValueError: an override does not parse, or names a parameter that is not there.
    """
    try:
        apply_overrides("params.yaml", overrides)
    except DvcException as error:
        raise ValueError(f"{' '.join(overrides)}: {error.__cause__ or error}") from None


def save(name: str) -> str:
    """Save the workspace as experiment ``name`` (replacing one of that name); its name as DVC has it.

    Raises:
        ValueError: the name is no valid experiment name.
    """
    with Repo() as repo:
        try:
            revision = repo.experiments.save(name=name, force=True)
        except DvcException as error:
            raise ValueError(f"experiment {name!r} can't be saved: {error}") from None
        return str(repo.experiments.get_exact_name([revision])[revision] or revision)
