"""Where a model lies: in a folder, or on the Hugging Face hub, where a commit says which of its versions is meant.

One rule for all that load or watch a model. What is a folder is one, whatever its name looks like, and so is what is
spelled like a path of this machine or project (``/…``, ``./…``, ``../…``, ``models/…``), there or not. Else it is a hub
id, exactly ``owner/name``. A hub id without a commit of its own has a pin: a file, made once by the stage
``pin_model``, with the commit that everybody loads from then on. DVC watches it as it would watch a folder.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import ParamsError

PINS = Path("models/revisions")
_PATHS = (".", "/", "models/")  # a path's beginnings
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_]|[.-](?![.-]))*"  # the hub refuses ".." and "--"
_HUB_ID = re.compile(f"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubModel:
    """A model on the hub, ``owner/name``, at a commit, or at whatever its branch or tag was when it was pinned."""

    id: str
    revision: str

    @property
    def is_exact(self) -> bool:
        """Whether ``revision`` is a commit, which needs no pin."""
        return bool(_COMMIT.fullmatch(self.revision))

    @property
    def key(self) -> str:
        """The name of its pin: readable for the main branch, with a digest for any other."""
        branch = "" if self.revision == "main" else "--" + hashlib.sha256(self.revision.encode()).hexdigest()[:12]
        return self.id.replace("/", "--") + branch

    @property
    def pin(self) -> Path:
        """Where its pin lies."""
        return PINS / f"{self.key}.json"


def locate(location: str, revision: str | None) -> Path | HubModel:
    """The folder or hub model that ``location`` names.

    Raises:
        ParamsError: it is neither, or it is a folder and something speaks for the hub as well.
    """
    folder, named = Path(location), bool(_HUB_ID.fullmatch(location))
    if location.startswith(_PATHS) or (location and folder.is_dir()):
        pin = HubModel(location, revision or "main").pin if named else None
        if revision is not None:
            raise ParamsError(
                f"{location!r} is a folder, and revision {revision!r} is for models of the hub: set it to null"
            )
        if pin and pin.exists():
            raise ParamsError(
                f"{location!r} is a folder here and a model of the hub that was pinned ({pin}); write './{location}' "
                "for the folder, or move it away"
            )
        return folder
    if not named:
        raise ParamsError(
            f"{location!r} is neither a folder here nor a hub id (owner/name); write the folder's whole path"
        )
    if revision is not None and not _REVISION.fullmatch(revision):
        raise ParamsError(f"revision {revision!r} of {location} is no branch, tag or commit")
    return HubModel(location, revision or "main")


def watched(location: str, revision: str | None) -> str | None:
    """What DVC watches of a model: its folder, or the pin of its hub id; a commit needs no pin.

    Raises:
        ParamsError: as ``locate``.
    """
    place = locate(location, revision)
    if isinstance(place, Path):
        return str(place)
    return None if place.is_exact else str(place.pin)


def commit_of(location: str, revision: str | None) -> str | None:
    """The commit to load a hub model at: its own, or its pin's; None for a folder.

    Raises:
        ParamsError: as ``locate``.
        DataError: it has no pin yet, or one of another model.
    """
    place = locate(location, revision)
    if isinstance(place, Path) or place.is_exact:
        return revision
    remedy = f"run: dvc repro --force pin_model@{place.key}"
    if not place.pin.is_file():
        raise DataError(f"no commit of {place.id} is pinned ({place.pin} is missing); {remedy}")
    try:
        pin = json.loads(place.pin.read_text("utf-8"))
        fits = (pin["model"], pin["revision"]) == (place.id, place.revision) and _COMMIT.fullmatch(pin["commit"])
    except (ValueError, KeyError, TypeError):
        fits = None
    if not fits:
        raise DataError(f"{place.pin} is no pin of {place.id} at {place.revision}; {remedy}")
    return str(pin["commit"])


def pretrained_id(architecture: str) -> str | None:
    """The hub id of timm's weights for ``architecture``; None where it has none there, or is not timm's."""
    import timm  # late: takes seconds, and few ask

    known = timm.get_pretrained_cfg(architecture, allow_unregistered=True) if timm.is_model(architecture) else None
    return (known.hf_hub_id or None) if known else None
