"""The stage ``caption``: a local model computes with the threads that params.yaml gives; words need no torch."""

import json

import pandas as pd
import pytest
from conftest import ROOT, run, whole
from ruamel.yaml import YAML

# The backend itself is replaced: what it finds when it is asked is what counts.
ASK = """
import dataclasses, json, sys
from pipeline_steps import caption
from pipeline_steps.captions.captioner import Captioned
from pipeline_steps.items.store import CacheStats

def words(params, study):
    torch = sys.modules.get("torch")
    print(json.dumps(torch and torch.get_num_threads()))
    captions = ["x"] * len(study.rows)
    return Captioned(captions, captions, {}, CacheStats(0, len(captions)))

caption.named_function = lambda _: words
rest = "--subset s.parquet --dataset d --out o --metrics m.json --tokenizer t --weights w".split()
sys.argv = ["caption", "--captioner", sys.argv[1], *rest]
caption._check_wiring = lambda *_: None
caption.main()
"""


@pytest.mark.parametrize(
    ("captioner", "threads"), [("reports_phantom", 3), ("template", None), ("concepts", None), ("reports", None)]
)
def test_threads_are_fixed_where_captions_are_computed(tmp_path, captioner, threads):
    with (tmp_path / "params.yaml").open("w") as stream:
        YAML().dump(whole("endpoints") | {"compute": {"threads": 3}}, stream)
    pd.DataFrame({"image_id": ["a"], "role": ["study"], "attributes": ["{}"]}).to_parquet(tmp_path / "s.parquet")
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    said = run("python", "-c", ASK, captioner, cwd=tmp_path, env_extra=environment).stdout
    assert json.loads(said.splitlines()[0]) == threads
