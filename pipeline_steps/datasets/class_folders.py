"""A folder with a folder of images for each class, as many downloads unpack; perhaps in ``train``, ``val``, ``test``.

The names of folders are the conditions. Skin types and ids are not known: divide such a set by what a table says
(adapter ``folder``), where there is one.
"""

from pathlib import Path

from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, photographs
from pipeline_steps.datasets.files import is_picture, listing
from pipeline_steps.records.licences import Licence, Redistribute
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import Params

PARTITIONS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "test": "test"}
PARTITIONS |= {"validation": "validation", "testing": "test"}


class ClassFolders(Params):
    """``ingest.sources.class_folders``. ``redistribute``: whether images may be passed on."""

    folder: Path
    licence: str
    redistribute: Redistribute


def published(p: ClassFolders) -> Published:
    """A row an image; its class is the folder that it lies in, below that of a partition if there is one.

    Raises:
        DataError: there is no folder, or an image that lies in none of its folders.
    """
    licence = Licence(p.licence, p.redistribute, "")
    names = sorted(name for name in listing(p.folder) if is_picture(name))
    if not names:
        state = "holds no pictures" if p.folder.is_dir() else "is no folder"
        raise DataError(f"{p.folder} {state}; set ingest.sources.class_folders.folder to one with a folder a class")
    partitioned = {name.split("/")[0].casefold() for name in names} <= {*PARTITIONS}
    rows = [_row(p, name, licence, partitioned=partitioned) for name in names]
    mapped = Mapped(
        csv=p.folder,
        images=p.folder,
        masks=p.folder,
        file="{name}",
        mask="",
        image_id="name",
        condition="condition",
        skin_type="",
        skin_scale="fitzpatrick",
        skin_assigner="",
        patient_id="",
        lesion_id="",
        attributes=(),
    )
    return Published(mapped, rows)


def _row(p: ClassFolders, name: str, licence: Licence, *, partitioned: bool) -> Row:
    *folders, _ = name.split("/")
    labels = folders[1:] if partitioned else folders
    if not labels:
        raise DataError(
            f"{p.folder / name} lies in no class's folder: move it into one, or name the images in a table (adapter "
            "folder)"
        )
    facts = {"partition": PARTITIONS[folders[0].casefold()]} if partitioned else {}
    said = labels[0].replace("_", " ").replace("-", " ")
    return Row({"name": name, "condition": said}, f"{p.folder}, {name}", licence, facts)


CLASS_FOLDERS = DataSet(
    "class_folders", ClassFolders, lambda p: {"table": p.folder}, lambda p: {"table": p.folder}, photographs(published)
)
