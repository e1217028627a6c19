"""Whom to cite for generated images: the paper of the method, and that of the photographs."""

import re
from pathlib import Path

_BIBLIOGRAPHY = Path(__file__).with_name("references.bib")
# By how an augmenter's name begins (config/base.yaml); the longest that fits counts.
_OF_METHOD = {
    "majority_to_minority": "wang2024majority",
    "txt2img_": "wang2024majority",
    "img2img_": "wang2024majority",
    "lesiongen": "fayyad2025lesiongen",
    "skindualgen": "xu2025skindualgen",
    "dermaflux": "galanakis2026dermaflux",
    "sagers_inpaint": "sagers2022improving",
    "sagers_remote": "sagers2022improving",
    "sagers_in_out": "sagers2023augmenting",
}
_OF_DATA = {"fitzpatrick17k": "groh2021fitzpatrick17k", "pad_ufes_20": "pacheco2020padufes20"}  # by adapter


def method_key(augmenter: str) -> str:
    """The method's paper; empty where none is known (a baseline of ours, or an entry under a name of one's own)."""
    fitting = [name for name in _OF_METHOD if augmenter.startswith(name)]
    return _OF_METHOD[max(fitting, key=len)] if fitting else ""


def data_key(adapter: str) -> str:
    """The paper of a data set; empty where none is known."""
    return _OF_DATA.get(adapter, "")


def entries(keys: list[str]) -> str:
    """BibTeX of some keys, in their order."""
    text = _BIBLIOGRAPHY.read_text("utf-8")
    found = {entry[1]: entry[0].strip() for entry in re.finditer(r"(?ms)^@\w+\{(\w+),.*?^\}", text)}
    return "\n\n".join(found[key] for key in keys)
