"""A clone in which an image has shaped some outputs and not others, as DVC lays them out."""

import hashlib
import io
import json
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from pipeline_steps.records.privacy import public_id

SHARED = b"the same configuration"
IDS = ("ann", "bea", "cleo")


class Clone:
    """A working tree with ``dvc.lock``, DVC's cache and run cache, written as DVC lays them out."""

    def __init__(self):
        self.lock, self.cache = {}, Path(".dvc/cache")

    def keep(self, content, suffix=""):
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
        file = self.cache / "files/md5" / md5[:2] / md5[2:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return md5

    def stage(self, name, deps, outs, *, earlier=False):
        """Record a run; ``outs``: bytes, or a folder's files by name. An earlier one is in the run cache alone."""
        made = {}
        for path, content in outs.items():
            files = content if isinstance(content, dict) else {"": content}
            kept = {relpath: self.keep(data) for relpath, data in files.items()}
            listing = json.dumps([{"md5": m, "relpath": r} for r, m in kept.items()]).encode()
            made[path] = self.keep(listing, ".dir") if isinstance(content, dict) else kept[""]
            for relpath, data in () if earlier else files.items():
                file = Path(path) / relpath
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
        entry = {
            "cmd": f"exec python -m pipeline_steps.{name.split('@')[0]} --out x",
            "deps": [{"path": p, "md5": m} for p, m in deps.items()],
            "outs": [{"path": p, "md5": m} for p, m in made.items()],
        }
        if not earlier:
            self.lock[name] = entry
        record = self.cache / "runs" / "ab" / name / str(earlier)
        record.parent.mkdir(parents=True, exist_ok=True)
        for file, content in ((record, entry), (Path("dvc.lock"), {"schema": "2.0", "stages": self.lock})):
            with file.open("w") as out:
                YAML(typ="safe").dump(content, out)
        return made


def parquet(table):
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


def manifest_of(ids, generation):
    digests = [f"{generation}-{i}" for i in ids]
    return parquet(pd.DataFrame({"image_id": ids, "sha256": digests, "file": [f"{i}.jpg" for i in ids]}))


def split_table(**partitions):
    return parquet(pd.DataFrame({"image_id": list(partitions), "partition": list(partitions.values())}))


def generated_set(*sources, generation="new"):
    names = [public_id(s, f"{generation}-{s}") for s in sources]
    rows = "".join(f"{n}-5-0.png,{n}\n" for n in names)
    images = {f"{n}-5-0.png": f"pixels {n} {generation}".encode() for n in names}
    return {"metadata.csv": f"file_name,source_id\n{rows}".encode(), **images}
