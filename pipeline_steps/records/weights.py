"""What identifies a model: the bytes of its configuration and weights."""

import hashlib
from pathlib import Path


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a model folder's configuration and weights."""
    h = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.suffix in {".json", ".safetensors", ".txt"}):
        h.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                h.update(block)
    return h.hexdigest()
