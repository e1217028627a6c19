"""Read a split. The test split is opened by ``evaluate`` alone: everyone else asks here for the rest."""

from pathlib import Path

import pandas as pd

from pipeline_steps.stage.errors import DataError

TEST_PARTITIONS = ("test", "test_light", "holdout")


def read_partition(path: Path, *partitions: str) -> pd.DataFrame:
    """Rows of the named partitions, in manifest order.

    Raises:
        DataError: a test partition is asked for; ``evaluate`` reads those by ``read_tests``.
    """
    if forbidden := set(partitions) & set(TEST_PARTITIONS):
        raise DataError(f"partition {', '.join(sorted(forbidden))} is for evaluate alone")
    table = pd.read_parquet(path)
    return table[table["partition"].isin(partitions)].reset_index(drop=True)


def read_tests(path: Path) -> pd.DataFrame:
    """Rows of all test partitions. Called by ``evaluate`` and by nobody else (a test checks)."""
    table = pd.read_parquet(path)
    return table[table["partition"].isin(TEST_PARTITIONS)].reset_index(drop=True)
