"""The stage ``caption``: a local model computes with the threads that params.yaml gives; words need no torch."""

import json

import pandas as pd
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
caption._check_wiring = lambda *_: None
for captioner in ("template", "concepts", "reports", "reports_phantom"):
    sys.argv = ["caption", "--captioner", captioner, *rest]
    caption.main()
"""


def test_threads_are_fixed_where_captions_are_computed(tmp_path):
    with (tmp_path / "params.yaml").open("w") as stream:
        YAML().dump(whole("endpoints") | {"compute": {"threads": 3}}, stream)
    pd.DataFrame({"image_id": ["a"], "role": ["study"], "attributes": ["{}"]}).to_parquet(tmp_path / "s.parquet")
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    said = run("python", "-c", ASK, cwd=tmp_path, env_extra=environment).stdout
    threads = [json.loads(line) for line in said.splitlines() if line == "null" or line.isdigit()]
    assert threads == [None, None, None, 3], "words need no torch; the local model, the last, is computed here"
