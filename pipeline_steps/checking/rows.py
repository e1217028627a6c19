"""What the rows of a data set say, without opening a picture: how many, whose, what is missing, what contradicts."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.checking.found import Findings
from pipeline_steps.datasets.source import Source
from pipeline_steps.parameters.population import Groups
from pipeline_steps.records.levels import levels
from pipeline_steps.records.manifest import MISSING, PRESENT, UNLABELLED
from pipeline_steps.records.populations import level_name, noun

_FACTS = 3  # that are named
_CONDITIONS = 10  # in a table


def manifest_of(source: Source, there: list[bool], masks: list[bool]) -> pd.DataFrame:
    """The manifest that ``ingest`` would write, if every file could be read; no image has pixels yet."""
    return source.table.reset_index(drop=True).assign(
        image_status=[PRESENT if one else MISSING for one in there],
        reason="",
        notes="",
        sha256="",
        has_mask=masks,
    )


def describe(manifest: pd.DataFrame, report: dict[str, int], population: Groups, found: Findings) -> None:
    """Counts of images, of what is not known of them, and of what the adapter noticed."""
    study = manifest[manifest["role"] == "study"]
    column, level = population.column, levels(study, population.column, population.bands)
    facts = {
        f"{_n(study['image_status'] == PRESENT)} with a file": True,
        f"{_n(study['image_status'] == MISSING)} without": (study["image_status"] == MISSING).any(),
        f"{_n(level == '')} of unknown {noun(column)}": True,
        f"{_n(study['condition'] == UNLABELLED)} without a label": (study["condition"] == UNLABELLED).any(),
        f"{_n(study['has_mask'])} with a mask": True,
    }
    others = len(manifest) - len(study)
    tail = f", and {others} that only evaluate opens" if others else ""
    found.say("rows", f"{len(study)} images{tail}: {', '.join(text for text, true in facts.items() if true)}")
    said = ("duplicate_rows", "files_without_row", "files_by_another_spelling")
    if noticed := [f"{report[key]} {key.replace('_', ' ')}" for key in said if report.get(key)]:
        found.say("rows", f"noticed: {', '.join(noticed)}")


def people(manifest: pd.DataFrame, groups: pd.DataFrame, found: Findings) -> None:
    """Patients and lesions, and whether what is told of one image contradicts another of the same lesion."""
    study = manifest[manifest["role"] == "study"]
    group = groups.set_index("image_id").loc[study["image_id"], "group"]
    sizes = group.value_counts()
    named = {what: study[f"{what}_id"].replace("", np.nan) for what in ("patient", "lesion")}
    if not any(ids.notna().any() for ids in named.values()):
        found.say(
            "people",
            "no patient or lesion is named: photographs of one person may be trained and tested on; name the column",
        )
        return
    told = [f"{ids.nunique()} {what}s ({int(ids.isna().sum())} images without)" for what, ids in named.items()]
    found.say("people", f"{', '.join(told)}: {len(sizes)} groups, the largest of {int(sizes.max())} images")
    labels = study[study["condition"] != UNLABELLED]
    several = labels[labels["lesion_id"] != ""].groupby("lesion_id")["condition"].nunique()
    types = (
        study[(study["patient_id"] != "") & (study["skin_value"] != "")].groupby("patient_id")["skin_value"].nunique()
    )
    conflicts = {
        "lesions have several diagnoses": int((several > 1).sum()),
        "patients have several skin types": int((types > 1).sum()),
    }
    if told := [f"{n} {what}" for what, n in conflicts.items() if n]:
        found.say("people", f"conflicts: {', '.join(told)}")


def blanks(missing: dict[str, Any], found: Findings) -> None:
    """How far what is missing gives the label away (``audit``'s measure, on rows alone)."""
    if missing["p"] is None:
        found.say("blanks", "no fact is missing of some images alone")
        return
    facts = sorted(missing["facts"].items(), key=lambda fact: -fact[1]["cramers_v"])[:_FACTS]
    named = ", ".join(f"{name} {fact['cramers_v']:.2f}" for name, fact in facts)
    accuracy = missing["balanced_accuracy"]
    told = (
        ""
        if accuracy is None
        else f"balanced accuracy by blanks alone {accuracy:.2f}, chance {missing['chance']:.2f}; "
    )
    verdict = "TELLS the condition" if missing["predicts_label"] else "does not tell the condition"
    found.say("blanks", f"what is missing {verdict} (p {missing['p']:.3f}): {told}Cramér's V: {named}")
    if missing["predicts_label"]:
        found.say("blanks", "leaving out images with blanks changes the conditions' shares: say so with your results")


def study_table(table: pd.DataFrame, column: str, found: Findings) -> None:
    """Images of the study by condition and level."""
    study = table[table["role"] == "study"]
    n = pd.crosstab(study["condition"], study["level"])
    heads = [level_name(column, str(level)) for level in n.columns]
    width = max(len(str(c)) for c in [*n.index, noun(column)])
    found.say("study", f"{noun(column):<{width}}" + "".join(f"{head:>8}" for head in heads))
    for condition, row in list(n.iterrows())[:_CONDITIONS]:
        found.say("study", f"{condition:<{width}}" + "".join(f"{int(k):>8}" for k in row))
    if len(n) > _CONDITIONS:
        found.say("study", f"and {len(n) - _CONDITIONS} more conditions")


def _n(applies: pd.Series) -> int:
    return int(applies.sum())
