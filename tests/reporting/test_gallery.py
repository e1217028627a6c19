"""Pictures lie beside the page: it grows by words a cell, never by images, and holds one sheet at a time."""

import io
import re
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline_steps.reporting import gallery
from pipeline_steps.reporting.blocks import Figure
from pipeline_steps.reporting.html import html
from pipeline_steps.reporting.markdown import markdown
from pipeline_steps.reporting.sections import gallery as section

SIDE, KIB_A_CELL = 256, 4


def _cell(folder, seed):
    """Eight generated images of 256 pixels, of noise, which no PNG makes small; two conditions, two levels."""
    folder.mkdir(parents=True)
    rng, rows = np.random.default_rng(seed), []
    for n in range(8):
        name = f"{n}.png"
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(folder / name, compress_level=0)
        rows.append([name, f"s{n}", ("acne", "melanoma")[n % 2], ("5", "6")[n // 2 % 2]])
    made = pd.DataFrame(rows, columns=["file_name", "source_id", "condition", "target_level"])
    made.to_csv(folder / "metadata.csv", index=False)
    made.assign(accepted=False, reasons="copy").to_parquet(folder.with_suffix(".parquet"))


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    base = tmp_path_factory.mktemp("cells")
    for n in range(30):
        _cell(base / f"cell-{n}", n)
    return base


class _Photographs:
    """Sources of 256 pixels, as a data set gives them."""

    side = SIDE
    manifest = pd.DataFrame({"public_id": [f"s{n}" for n in range(8)], "image_id": [f"i{n}" for n in range(8)]})

    def images(self, ids):
        return np.full((len(ids), SIDE, SIDE, 3), 90, np.uint8)


@pytest.fixture
def page(cells, monkeypatch):
    """The gallery of so many cells, in a folder."""
    monkeypatch.setattr(section, "open_dataset", lambda _: _Photographs())
    monkeypatch.setattr(section, "SYNTHETIC", cells)
    monkeypatch.setattr(section, "SCREENED", cells)

    def made(n, folder):
        folder.mkdir(parents=True, exist_ok=True)
        keys = [f"cell-{k % 30}" for k in range(n)]
        params, study = SimpleNamespace(gallery_per_condition=1), SimpleNamespace(column="fitzpatrick_scale")
        found = SimpleNamespace(cells={"generate": keys, "screen": keys}, params=params, study=study)
        return html(section.gallery(found), folder)

    return made


def test_a_cell_costs_the_page_words_alone(page, tmp_path):
    few, many = (page(n, tmp_path / str(n)) for n in (2, 30))
    assert len(many) - len(few) < 28 * KIB_A_CELL * 1024
    assert "base64" not in many


def test_a_page_holds_one_sheet_at_a_time(page, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "_WALL_ROWS", 6)

    def peak(n):
        tracemalloc.start()
        page(n, tmp_path / f"peak-{n}")
        return tracemalloc.get_traced_memory()[1] / 2**20, tracemalloc.stop()

    peak(12)
    least, most = peak(12)[0], peak(30)[0]
    assert most < least + 2, "36 more sheets of 0.4 MiB, 3 more walls of 1.1 MiB"


def test_pictures_are_files_by_content_that_the_page_names(page, tmp_path):
    texts = [page(3, tmp_path / name) for name in ("a", "b")]
    assert texts[0] == texts[1]
    named = re.findall(r'src="(pictures/[0-9a-f]{32}\.png)" loading="lazy"', texts[0])
    assert len(named) == 1 + 3 + 3, "the wall, and for each cell a sheet and its rejects"
    files = [
        {str(f.relative_to(base)): f.read_bytes() for f in base.rglob("*.png")}
        for base in (tmp_path / "a", tmp_path / "b")
    ]
    assert files[0] == files[1]
    assert set(files[0]) == set(named)


def test_a_tile_has_at_most_128_pixels_a_side(cells):
    sheet = gallery.rejects("cell-0", cells / "cell-0", cells / "cell-0.parquet")
    assert Image.open(io.BytesIO(sheet.png)).size == (8 * (gallery.TILE + 2), gallery.TILE + 2)
    assert gallery.tile(np.zeros((SIDE, SIDE // 2, 3), np.uint8)).shape == (128, 64, 3)
    small = np.zeros((64, 64, 3), np.uint8)
    assert gallery.tile(small) is small


def test_a_tile_is_the_mean_of_what_it_shows():
    image = np.repeat(np.repeat(np.arange(128 * 128, dtype=np.int64).reshape(128, 128) % 251, 2, 0), 2, 1)
    assert np.array_equal(gallery.tile(np.stack([image.astype(np.uint8)] * 3, -1))[..., 0], image[::2, ::2])


def test_walls_share_cells_about_equally_and_have_names_of_their_own(cells):
    def titles(n):
        return [s.title for s in gallery.walls([(f"{k}", cells / "cell-0") for k in range(n)], SIDE)]

    assert titles(1) == []
    assert titles(24) == ["sample wall"]
    assert titles(25) == ["sample wall 1 of 2", "sample wall 2 of 2"]


def test_a_linked_figure_is_held_by_a_page_without_a_folder_and_a_file_in_markdown(tmp_path):
    figure = Figure("one", "one", "", b"\x89PNG", linked=True)
    assert "data:image/png;base64," in html([figure])
    assert markdown([figure], tmp_path / "page.md") == "![one](page_one.png)"
    assert 'src="data:' in html([Figure("two", "two", "", b"\x89PNG")], tmp_path)
