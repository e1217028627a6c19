"""What a manifest must be, checked when it is made; whoever reads one does without the checker and its imports."""

import pandas as pd
import pandera.pandas as pa

from pipeline_steps.records.licences import REDISTRIBUTE
from pipeline_steps.records.manifest import MISSING, PRESENT, QUARANTINED
from pipeline_steps.records.skin_scales import FITZPATRICK3, FITZPATRICK6, ITA, MILK6, MONK10
from pipeline_steps.stage.errors import DataError

SCHEMA = pa.DataFrameSchema(
    {
        "image_id": pa.Column(str, pa.Check.str_matches(r"^[\w.\-]+$"), unique=True),
        "public_id": pa.Column(str, unique=True),
        "file": pa.Column(str),
        "image_status": pa.Column(str, pa.Check.isin([PRESENT, MISSING, QUARANTINED])),
        "reason": pa.Column(str),
        "notes": pa.Column(str),
        "condition": pa.Column(str, pa.Check.str_length(min_value=1)),
        "fitzpatrick_scale": pa.Column("Int64", pa.Check.isin([1, 2, 3, 4, 5, 6]), nullable=True),
        "skin_scale": pa.Column(str, pa.Check.isin([FITZPATRICK6, FITZPATRICK3, MONK10, MILK6, ITA, ""])),
        "skin_value": pa.Column(str),
        "skin_assigner": pa.Column(str),
        "skin_raw": pa.Column(str),
        "other_skin": pa.Column(str),
        "patient_id": pa.Column(str),
        "lesion_id": pa.Column(str),
        "role": pa.Column(str, pa.Check.isin(["study", "holdout"])),
        "is_synthetic": pa.Column(bool),
        "attributes": pa.Column(str),
        "licence": pa.Column(str),
        "redistribute": pa.Column(str, pa.Check.isin(REDISTRIBUTE)),
        "attribution": pa.Column(str),
        "sha256": pa.Column(str),
        "has_mask": pa.Column(bool),
        "mask_sha256": pa.Column(str),
    },
    strict=True,
    ordered=True,
)


def validate(manifest: pd.DataFrame) -> pd.DataFrame:
    """Check a manifest against the schema.

    Raises:
        DataError: with every violation, by column and value.
    """
    try:
        return SCHEMA.validate(manifest, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases[["column", "check", "failure_case"]].drop_duplicates().head(12)
        raise DataError("the manifest breaks its schema:\n" + cases.to_string(index=False)) from None
