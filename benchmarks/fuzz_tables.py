"""Tables as no test lists them: delimiters, quotes, encodings, ragged rows, odd ids, paths and skin types."""

import io
import random
import re
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from pipeline_steps.datasets.data_set import Decoding, Mapped
from pipeline_steps.datasets.table import read_mapped
from pipeline_steps.ingest import ingest
from pipeline_steps.items.store import ItemStore
from pipeline_steps.stage.errors import DataError

_CELLS = (
    *("", " ", "a.png", "A.PNG", "b b.png", "x/y.png", "../up.png", "/etc/passwd", "C:\\x.png", "é.png", "e\u0301.png"),
    *(
        "0",
        "-1",
        "1.5",
        "III",
        "12",
        "NaN",
        "None",
        "True",
        "1e5",
        "007",
        "nevus, common",
        'say "x"',
        "a;b",
        "tab\there",
    ),
    *("\u200b", "💥", "{file}", "{stem}", "%s", "=1+1", "-", "x" * 300, "line\nbreak", "'", '"', "\u2028", "\ufeff"),
    *("con", ".", "..", "a.png.png", "a.jpg", "a", "N/A", "湿疹", "псориаз", "\x0b", "\x1c", "\x85", "\xa0", "<html>"),
)

_CODES = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "cp1251", "shift_jis", "gbk", "utf-7"]


def run(count: int, seed: int) -> dict[str, Any]:
    """Read ``count`` tables, and ingest those that are read.

    Returns ``tried``, ``read``, ``refused`` (by words of the reason), ``tracebacks`` (by exception and function).
    """
    rng = random.Random(seed)
    found: dict[str, Any] = {"tried": 0, "read": 0, "refused": Counter[str](), "tracebacks": Counter[str]()}
    quiet = io.StringIO()  # of bars and notes, a thousand times
    with TemporaryDirectory() as name, redirect_stdout(quiet), redirect_stderr(quiet):
        folder = Path(name)
        (folder / "images").mkdir()
        for image in ("a.png", "é.png", "b b.png"):
            Image.new("RGB", (16, 16), "red").save(folder / "images" / image)
        for _ in range(count):
            (folder / "t.csv").write_bytes(_table(rng))
            _tally(found, folder, rng)
    return found


def _tally(found: dict[str, Any], folder: Path, rng: random.Random) -> None:
    found["tried"] += 1
    try:
        out = folder / "out"
        out.mkdir(exist_ok=True)
        ingest(read_mapped(_mapping(folder, rng), Decoding(8, "squash", 10_000)), out, ItemStore(folder / "items"))
        found["read"] += 1
    except DataError as error:
        found["refused"][_kind(str(error).replace(str(folder), ""))] += 1
    except Exception as error:  # noqa: BLE001 - what is looked for
        found["tracebacks"][f"{type(error).__name__}: {traceback.extract_tb(error.__traceback__)[-1].name}"] += 1


def _kind(reason: str) -> str:
    """The words of a reason without what it quotes and numbers."""
    plain = re.sub(r"'.*?'|\".*?\"|0x\w+|\d+", "…", reason.rsplit("t.csv", 1)[-1])
    return " ".join(plain.lstrip(":, ").split()[:7])


def _mapping(folder: Path, rng: random.Random) -> Mapped:
    """Mostly the columns that are there."""
    return Mapped(
        csv=folder / "t.csv",
        images=folder / rng.choice(["images"] * 9 + ["none"]),
        masks=folder / "images",
        file=rng.choice(["{file}"] * 8 + ["{stem}.png", "{nope}", "{}", "{file"]),
        mask=rng.choice([""] * 8 + ["{stem}_mask.png", "{file}", "{label}"]),
        image_id="file",
        condition=rng.choice(["label"] * 9 + ["file"]),
        skin_type=rng.choice(["type"] * 4 + ["", ""]),
        skin_scale=rng.choice(["fitzpatrick"] * 4 + ["monk10", "ita"]),
        skin_assigner=rng.choice(["", "expert", "{patient}"]),
        patient_id=rng.choice(["", "patient"]),
        lesion_id=rng.choice(["", "patient"]),
        attributes=rng.choice([(), ("label",), ("type", "patient")]),
    )


def _table(rng: random.Random) -> bytes:
    """A table of up to six rows, sometimes damaged."""
    delimiter, end = rng.choice(",,,;\t|"), rng.choice(["\n", "\n", "\r\n", "\r", "\n\n"])
    header = ["file", "label", "type", "patient"]
    rows = [header] + [_row(rng) for _ in range(rng.randrange(7))]
    if rng.random() < 0.2:
        victim = rng.choice(rows)
        victim.insert(rng.randrange(len(victim) + 1), rng.choice(_CELLS))
    if rng.random() < 0.1:
        del rows[-1][-1]
    lines = [delimiter.join(_written(cell, delimiter, rng) for cell in row) for row in rows]
    trailing = delimiter * rng.choice([0, 0, 0, 1, 3])
    text = rng.choice(["", "", "", "\n", "\ufeff", "sep=;\n"]) + end.join(line + trailing for line in lines) + end
    content = text.encode(rng.choice(["utf-8"] * 12 + _CODES), "replace")
    if rng.random() < 0.15:
        at = rng.randrange(len(content) + 1)
        content = content[:at] + rng.randbytes(rng.randrange(4)) + content[at + rng.randrange(3) :]
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.1 else content


def _row(rng: random.Random) -> list[str]:
    usual = [f"{rng.choice('abc')}{rng.randrange(99)}.png", rng.choice(["nevus", "acne"]), rng.choice("123456"), "p1"]
    return [rng.choice(_CELLS) if rng.random() < 0.15 else cell for cell in usual]


def _written(cell: str, delimiter: str, rng: random.Random) -> str:
    """A cell, quoted where it must be, nearly always."""
    must = any(c in cell for c in (delimiter, '"', "\n", "\r"))
    if must and rng.random() < 0.9:
        return '"' + cell.replace('"', '""') + '"'
    return cell
