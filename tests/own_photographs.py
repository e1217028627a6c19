"""Folders as people have them: invented photographs, and a table of them in many kinds of file."""

import numpy as np
import pandas as pd
from PIL import Image

CODES = ("BCC", "NEV", "PSO")


def photographs(folder, names, side=24):
    """Small pictures that differ, under ``names``."""
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(60, 200, (side, side + i % 3, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)


def table_of(rows, folder, kind):
    """``rows`` as a file of that kind; its path."""
    table = pd.DataFrame(rows, dtype=object)
    if kind == "xlsx":
        table.to_excel(path := folder / "t.xlsx", index=False)
    elif kind == "parquet":
        table.to_parquet(path := folder / "t.parquet")
    else:
        path = folder / ("t.tsv" if kind == "tsv" else "t.csv")
        separator, code = "\t" if kind == "tsv" else ";", "cp1252" if kind == "windows" else "utf-8"
        table.to_csv(path, sep=separator, index=False, encoding=code)
    return path


def practice(folder, images=96, kind="windows"):
    """A practice's folder: German columns, codes as labels, skin types with blanks, two photographs a patient."""
    types = ("I", "II", "V", "VI", "III", "")
    names = [f"Bilder/IMG_{i}.jpg" for i in range(images)]
    photographs(folder, names)
    rows = [
        {
            "Datei": f"IMG_{i}.jpg",
            "Patient": f"P{i // 2}",
            "Diagnose": CODES[(i // 2) % 3],
            "Hauttyp": types[(i // 6) % 6],
            "Geschlecht": "wm"[(i // 2) % 2],
        }
        for i in range(images)
    ]
    return table_of(rows, folder, kind)


def workspace(folder, root):
    """A folder in which the project's commands run, without its outputs."""
    folder.mkdir(exist_ok=True)
    for name in ("pipeline_steps", "models", "dvc.yaml"):
        (folder / name).symlink_to(root / name)
    (folder / "config/profiles").mkdir(parents=True)
    (folder / "config/base.yaml").symlink_to(root / "config/base.yaml")
    for profile in (root / "config/profiles").glob("*.yaml"):
        (folder / "config/profiles" / profile.name).symlink_to(profile)
    return folder
