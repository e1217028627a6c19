"""A way to make images, and one to caption them, are a file and a row each: nothing else is touched."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import copy_tree, run
from data_sets import write_data_set
from PIL import Image
from ruamel.yaml import YAML

MODE = '''
"""Images of one grey."""

from typing import Literal

import numpy as np
from pydantic import NonNegativeInt

from pipeline_steps.generation.jobs import GeneratedImages
from pipeline_steps.generation.modes.mode import Mode
from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.pixels.images import png_bytes
from pipeline_steps.records.captioned import read_captions


class GreyParams(JobParams):
    """``grey``: of all pixels."""

    mode: Literal["grey"]
    captioner: str
    grey: NonNegativeInt


def grey(params, inputs, jobs, _train):
    """One colour, and the caption of the source."""
    captions = read_captions(inputs.captions)
    files = [png_bytes(np.full((8, 8, 3), params.grey, np.uint8))] * len(jobs)
    prompts = [captions.prompt(j.source_id, j.condition, j.target_level).text for j in jobs]
    return GeneratedImages(files, prompts, [{}] * len(jobs), "a pot of paint", 0, len(jobs))


TOY = Mode("grey", GreyParams, "pipeline_steps.generation.modes.toy:grey", starts_from_source=False, uses_device=False)
'''
BACKEND = '''
"""The same word for every image."""

from typing import Literal

from pipeline_steps.captions.backends.backend import Backend
from pipeline_steps.parameters.captioners import CaptionerParams


class WordParams(CaptionerParams):
    """``word``: what every caption begins with."""

    backend: Literal["word"]
    word: str


def by_word(params, study):
    """Word, token, level."""
    from pipeline_steps.captions.captioner import Captioned
    from pipeline_steps.items.store import CacheStats

    captions = [f"{params.word} {{token}} {{level}}"] * len(study.rows)
    return Captioned(captions, captions, {}, CacheStats(0, len(captions)))


TOY = Backend("word", WordParams, "pipeline_steps.captions.backends.toy:by_word", uses_device=False)
'''
PROFILE = {
    "grid": {
        "comparison": {"augmenters": ["painted"], "arms": ["real", "syn"]},
        "ablation": None,
        "untrained": None,
    },
    "captioners": {"loud": {"backend": "word", "word": "LOOK", "level_words": "person"}},
    "augmenters": {
        "painted": {
            "mode": "grey",
            "captioner": "loud",
            "grey": 90,
            "images_per_source": 2,
            "max_sources": 0,
            "target_levels": "minority",
            "level_choice": "balanced",
            "seed": 0,
        }
    },
}


def _add(clone, table, after, code):
    """A file beside ``table`` with ``code``, and its row ``TOY`` in ``table``, behind the row ``after``."""
    file = clone / "pipeline_steps" / table
    (file.parent / "toy.py").write_text(code.lstrip(), "utf-8")
    text = file.read_text("utf-8")
    assert text.count(f"    {after},\n") == 1
    row = f"from pipeline_steps.{table.removesuffix('/table.py').replace('/', '.')}.toy import TOY\n"
    file.write_text(row + text.replace(f"    {after},\n", f"    {after},\n    TOY,\n"), "utf-8")


def _python(clone, *command, check=True):
    return run(sys.executable, "-m", *command, cwd=clone, check=check, env_extra={"PYTHONPATH": str(clone)})


def _configure(clone, profile, check=True):
    with (clone / "config/profiles/added.yaml").open("w") as stream:
        stream.write("# A mode and a backend that a test has added.\n")
        YAML().dump(profile, stream)
    return _python(clone, "pipeline_steps.configure", "added", check=check)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the project with both added, the profile that uses them, and a study of four images."""
    made = copy_tree(tmp_path_factory.mktemp("added"))
    _add(made, "generation/modes/table.py", "TONE_TRANSFER", MODE)
    _add(made, "captions/backends/table.py", "ENDPOINT", BACKEND)
    _configure(made, PROFILE)
    rows = pd.DataFrame({"image_id": list("abcd"), "condition": "psoriasis"})
    rows = rows.assign(level="1", population="majority", group=rows["image_id"], sha256=rows["image_id"])
    rows = rows.assign(partition="train", role="study", attributes="{}", image_status="present")
    rows = rows.assign(licence="CC0-1.0", redistribute="yes")
    for folder in ("dataset", "splits"):
        (made / "data" / folder).mkdir(parents=True, exist_ok=True)
    for file in ("subset.parquet", "splits/iii-0.parquet"):
        rows.to_parquet(made / "data" / file)
    write_data_set(made / "data/dataset", rows, np.zeros((4, 8, 8, 3), np.uint8))
    return made


def test_an_added_mode_and_backend_are_configured_checked_and_run(clone):
    _python(clone, "pipeline_steps.check_params", "--out", "data/params_checked.txt")
    cells = YAML(typ="safe").load((clone / "cells.yaml").read_text("utf-8"))["cells"]
    caption, generate = cells["caption"]["loud"], cells["generate"]["painted-iii-0"]
    assert (caption["gpus"], generate["gpus"]) == (0, 0)
    assert (generate["base"], generate["captions"]) == ("none", "data/captions/loud")
    run_caption = ["--captioner", "loud", "--tokenizer", caption["tokenizer"], "--weights", caption["weights"]]
    run_caption += ["--subset", "data/subset.parquet", "--dataset", "data/dataset"]
    _python(clone, "pipeline_steps.caption", *run_caption, "--out", "data/captions/loud", "--metrics", "metrics/c.json")
    assert json.loads((clone / "metrics/c.json").read_text())["backend"] == "word"
    run_generate = ["--dataset", "data/dataset", "--split", "data/splits/iii-0.parquet"]
    for name in ("augmenter", "base", "weights", "captions", "tokens", "adapter"):
        run_generate += [f"--{name}", generate[name]]
    _python(clone, "pipeline_steps.generate", *run_generate, "--out", "data/synthetic/painted-iii-0")
    table = pd.read_csv(clone / "data/synthetic/painted-iii-0/metadata.csv")
    assert len(table) == 8
    assert not table["starts_from_source"].any()
    assert table["prompt"].str.startswith("LOOK psoriasis ").all()
    with Image.open(clone / "data/synthetic/painted-iii-0" / table["file_name"][0]) as image:
        assert np.unique(np.asarray(image)).tolist() == [90]
        assert image.info["prompt"] == table["prompt"][0]


def test_what_is_wrong_with_an_added_mode_is_told_as_of_any_other(clone):
    wrong = json.loads(json.dumps(PROFILE))
    wrong["grid"]["comparison"]["segmenters"] = ["syn"]
    wrong["augmenters"]["painted"]["gray"] = wrong["augmenters"]["painted"].pop("grey")
    said = _configure(clone, wrong, check=False).stderr
    assert "augmenters.painted.gray is no parameter; did you mean grey" in said
    assert "augmenters.painted makes no masks (mode grey)" in said


def test_generate_depends_on_an_added_mode_and_on_no_captioner(clone):
    code = "from pipeline_steps.items.closure import code_digests as d; print(*d('pipeline_steps.generate'))"
    found = run(sys.executable, "-c", code, cwd=clone, env_extra={"PYTHONPATH": str(clone)}).stdout.split()
    assert "pipeline_steps/generation/modes/toy.py" in found
    assert "pipeline_steps/captions/backends/toy.py" not in found
