"""A page with the worst pictures of each kind. It shows photographs: it lies in ``runs/``, which nobody is sent."""

import base64
from pathlib import Path

from jinja2 import Environment

from pipeline_steps.checking.pixels import Looked
from pipeline_steps.pixels.images import png_bytes
from pipeline_steps.stage.outputs import atomic_file

TEMPLATE = Path(__file__).with_name("page.html")


def write_page(looked: Looked, title: str, out: Path) -> None:
    """Write the page to ``out``, a file in a folder that is no output of DVC."""
    worst = {
        kind: [
            {
                "image_id": one.image_id,
                "reason": one.reason,
                "picture": "" if one.pixels is None else base64.b64encode(png_bytes(one.pixels)).decode(),
            }
            for one in seen
        ]
        for kind, seen in looked.worst.items()
    }
    page = Environment(autoescape=True).from_string(TEMPLATE.read_text("utf-8"))
    words = f"{looked.images} images were looked at, as ingest brings them to size; the worst of each kind come first."
    with atomic_file(out) as temporary:
        temporary.write_text(page.render(title=title, words=words, worst=worst, counts=looked.counts), "utf-8")
