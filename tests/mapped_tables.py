"""A small table of images with its mapping, as tests of tables read it."""

import unicodedata

from PIL import Image

from pipeline_steps.datasets.data_set import Decoding, Mapped

D = Decoding(16, "squash", 10_000)


TABLE = "file,label,type\na.png,x,1\nb.png,y,6\n"


def mapped_table(folder, **other):
    named = {
        "csv": folder / "t.csv", "images": folder / "images", "masks": folder / "masks", "file": "{file}", "mask": "",
        "image_id": "file", "condition": "label", "skin_type": "type", "patient_id": "", "lesion_id": "",
        "attributes": (), "skin_scale": "fitzpatrick", "skin_assigner": "",
    }  # fmt: skip
    return Mapped(**(named | other))


def image_set(folder, text, *names):
    """A table, and images of these names."""
    (folder / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    for name in names:
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), "red").save(path, "PNG")
    return folder


NFD = unicodedata.normalize("NFD", "né")
