"""The list of what is derived from images, by kind, with where it lies and how large it is."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps.forgetting.derived import Identity, cached_objects, derived_runs, made_from
from pipeline_steps.forgetting.runs import Cache, Run
from pipeline_steps.generation.synthetic import METADATA, read_metadata
from pipeline_steps.items.store import DEFAULT_ROOT

PAID = Path("cache/paid")
_RUNS = Path("runs")


@dataclass(frozen=True)
class Kind:
    """Files and folders of one kind; ``words`` say what they are to the images."""

    words: str
    paths: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(f.lstat().st_size for path in self.paths for f in _files(path))


# Outputs by where they lie: the words, and the paths' beginnings.
_OUTPUTS = (
    ("the manifest, its pixels, and the tables made of it (audit, subset, splits, captions)", (
        "data/dataset", "data/audit", "data/subset", "data/splits", "data/captions")),
    ("learned tokens and adapters that trained on it or were chosen by it", ("models/tokens", "models/adapters")),
    ("classifiers and segmenters, the same", ("models/classifier", "models/segmenter")),
    ("generated images", ("data/synthetic",)),
    ("predictions, screening, metrics and the report", ("",)),
)  # fmt: skip


def inventory(cache: Cache, runs: Sequence[Run], who: Sequence[Identity]) -> list[Kind]:
    """Everything derived from the images ``who``; kinds without a file are left out."""
    derived = derived_runs(cache, runs, who)
    marked = {md5 for run in derived for md5 in run.outs.values()}
    outputs = sorted(p for p, md5 in cache.present.items() if md5 in marked)
    kinds = []
    for words, beginnings in _OUTPUTS:
        mine = [p for p in outputs if p.startswith(beginnings)]
        outputs = [p for p in outputs if p not in mine]
        said = f"{words}: {_made(mine, who)}" if words == "generated images" else words
        kinds.append(Kind(said, tuple(map(Path, mine))))
    kinds.append(
        Kind(
            "outputs that dvc.lock does not have: whether it is in them can't be told", _unrecorded(cache, runs, marked)
        )
    )
    kinds += _caches(who)
    objects = [cache.object(md5) for md5 in sorted(cached_objects(cache, runs, derived, who))]
    kinds.append(Kind("DVC's cache: these outputs, as they are and as they were", tuple(objects)))
    records = sorted({run.record for run in derived if run.record is not None})
    kinds.append(Kind("DVC's run cache: records of the runs that made them", tuple(records)))
    return [kind for kind in kinds if any(True for path in kind.paths for _ in _files(path))]


def _made(folders: Sequence[str], who: Sequence[Identity]) -> str:
    names = {name for one in who for name in (*one.public, one.image_id)}
    counts = [made_from(read_metadata(Path(f)), names) for f in folders if (Path(f) / METADATA).is_file()]
    return f"{sum(counts)} made from it, in {sum(n > 0 for n in counts)} sets; the others by models that saw it"


def _unrecorded(cache: Cache, runs: Sequence[Run], marked: set[str]) -> tuple[Path, ...]:
    """Outputs' children that no entry of ``dvc.lock`` covers, halves of interrupted writes among them.

    Files that a recorded run made, and that are not ``marked`` as derived, are none of them.
    """
    innocent = {md5 for run in runs for md5 in run.outs.values()} - marked
    roots = [Path("data"), *(Path("models") / m for m in ("tokens", "adapters", "classifier", "segmenter"))]
    covered = {Path(p) for p in cache.present}
    covered |= {parent for path in covered for parent in path.parents}
    found: list[Path] = []
    todo = [r for r in (*roots, Path("metrics")) if r.is_dir()]
    while todo:
        for child in sorted(todo.pop().iterdir()):
            if child in covered and str(child) not in cache.present:
                todo.append(child)  # a room with outputs in it
            elif child not in covered and child.name != ".gitkeep":
                found += [child] if not _is_room(child) else []
                todo += [child] if _is_room(child) else []
    return tuple(path for path in found if not (path.is_file() and _md5(path) in innocent))


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _is_room(path: Path) -> bool:
    """Whether a folder holds outputs and is no output itself: such a one is there before anything is made."""
    return path.is_dir() and (path / ".gitkeep").exists()


def _caches(who: Sequence[Identity]) -> list[Kind]:
    paid = Path(os.environ.get("EQUIDERM_PAID", PAID))
    items = Path(os.environ.get("EQUIDERM_ITEMS", DEFAULT_ROOT))
    replies = [paid / digest[:2] / digest for one in who for digest in sorted(one.digests)]
    return [
        Kind("paid replies about it", tuple(p for p in replies if p.is_dir())),
        Kind("the item store, all of it: a value does not say which image it is from; it is made again", _some(items)),
        Kind("unfinished trainings, and previews of samples", _some(_RUNS / "checkpoints", _RUNS / "previews")),
        Kind("working copies of queued experiments", _some(Path(".dvc/tmp/exps"))),
    ]


def _some(*folders: Path) -> tuple[Path, ...]:
    return tuple(folder for folder in folders if folder.is_dir())


def _files(path: Path) -> list[Path]:
    if path.is_dir() and not path.is_symlink():
        return [f for f in path.rglob("*") if f.is_symlink() or f.is_file()]
    return [path] if path.is_symlink() or path.exists() else []
