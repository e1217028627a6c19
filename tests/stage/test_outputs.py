"""Outputs are written whole or not at all, by one writer at a time."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline_steps.pixels.images import png_bytes, with_text
from pipeline_steps.stage.outputs import BusyError, OutputError, atomic_file, atomic_folder


def test_text_goes_into_a_png_without_touching_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    plain = png_bytes(pixels)
    image = Image.open(io.BytesIO(with_text(plain, {"prompt": "Haut, très foncée", "seed": "1"})))
    assert image.info == {"prompt": "Haut, très foncée", "seed": "1"}
    assert np.array_equal(np.asarray(image), pixels)


def test_a_second_writer_of_a_folder_is_turned_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_folder(Path("out")) as first:
        (first / "a").write_text("1")
        with pytest.raises(BusyError, match=r"out .*another process"), atomic_folder(Path("out")):
            pass
    assert (tmp_path / "out/a").read_text() == "1"
    with atomic_folder(Path("out")) as again:
        (again / "b").write_text("2")
    assert [f.name for f in Path("out").iterdir()] == ["b"]


def test_a_full_disk_names_the_output_and_leaves_the_old_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_file(Path("m.json")) as first:
        first.write_text("old")

    def full(_fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(OutputError, match=r"m\.json can't be written: No space left"),
        atomic_file(Path("m.json")) as new,
    ):
        new.write_text("new")
    assert [f.read_text() for f in tmp_path.iterdir()] == ["old"]
    with pytest.raises(FileNotFoundError), atomic_folder(Path("out")):
        Path("input that is not there").read_text()
