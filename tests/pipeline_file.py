"""``dvc.yaml`` as tests read it: its stages, and the module that each runs."""

import re

from conftest import ROOT

from pipeline_steps.stage.params import read_yaml

STAGES = {name: s.get("do", s) for name, s in read_yaml(ROOT / "dvc.yaml")["stages"].items()}
MODULES = {name: re.search(r"python -m (pipeline_steps\.\w+)", s["cmd"])[1] for name, s in STAGES.items()}
