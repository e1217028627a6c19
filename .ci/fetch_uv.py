"""Put uv into a folder with nothing but Python's own library: for systems whose Python has no pip.

``python3 .ci/fetch_uv.py VERSION FOLDER``. Takes the wheel from the package index (``UV_DEFAULT_INDEX`` or
``PIP_INDEX_URL``, else PyPI) and compares it with the digest that the index gives.
"""

import hashlib
import io
import os
import platform
import re
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path


def wanted_tag() -> str:
    """What the name of this machine's wheel matches."""
    machine = platform.machine().lower()
    if sys.platform == "darwin":
        return rf"macosx_\w+_{machine}"
    libc = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    same = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    return rf"{libc}[\w.]*_{same}"


def fetch(version: str, folder: Path) -> None:
    """Write ``folder/bin/uv``."""
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
    page = f"{index.rstrip('/')}/uv/"
    with urllib.request.urlopen(page, timeout=60) as reply:  # noqa: S310
        links = re.findall(r'href="([^"]+\.whl)#sha256=([0-9a-f]{64})"', reply.read().decode())
    name = re.compile(rf"uv-{re.escape(version)}-py3-none-{wanted_tag()}\.whl$")
    link, digest = next(((link, digest) for link, digest in links if name.search(link)), ("", ""))
    if not link:
        sys.exit(f"error: {page} has no uv {version} for this machine")
    with urllib.request.urlopen(urllib.parse.urljoin(page, link), timeout=600) as reply:  # noqa: S310
        wheel = reply.read()
    if hashlib.sha256(wheel).hexdigest() != digest:
        sys.exit(f"error: {link} is not what the index says it is")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        program = archive.read(f"uv-{version}.data/scripts/uv")
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    temporary = folder / "bin" / "uv.part"
    temporary.write_bytes(program)
    temporary.chmod(0o755)
    temporary.replace(folder / "bin" / "uv")


if __name__ == "__main__":
    try:
        fetch(sys.argv[1], Path(sys.argv[2]))
    except OSError as problem:
        sys.exit(f"error: uv can't be fetched: {problem}")
