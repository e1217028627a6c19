"""What a split holds: sizes of its partitions, conditions that one lacks, groups on both sides."""

import pandas as pd

from pipeline_steps.records.manifest import by_level

TESTS = ("test", "test_light")


def lacking(made: pd.DataFrame) -> dict[str, list[str]]:
    """Of the study's partitions that hold any image, the conditions that they have none of."""
    study = made[made["role"] == "study"]
    found = {p: set(study["condition"]) - set(rows["condition"]) for p, rows in study.groupby("partition")}
    return {str(p): sorted(conditions) for p, conditions in found.items() if conditions and p != "excluded"}


def leakage(split_table: pd.DataFrame) -> dict[str, int]:
    """How many test, reference and validation images share a group with a training image."""
    groups = split_table["group"]
    trained = set(groups[split_table["partition"] == "train"])
    partitions = (*TESTS, "reference", "validation")
    return {p: int((groups[split_table["partition"] == p].isin(trained)).sum()) for p in partitions}


def sizes(split_table: pd.DataFrame) -> dict[str, object]:
    """Counts for the metrics; ``train_and_validation`` is what the paper calls training."""
    n = split_table["partition"].value_counts()
    named = {
        p: int(n.get(p, 0)) for p in ("train", "validation", "test", "test_light", "reference", "holdout", "excluded")
    }
    both = named["train"] + named["validation"]
    excluded = split_table[split_table["partition"] == "excluded"].groupby("because")
    return {
        "train_and_validation": both,
        **named,
        "without": lacking(split_table),
        "excluded_by_level": {str(reason): by_level(rows) for reason, rows in excluded},
        "sharing_a_group_with_train": leakage(split_table),
    }
