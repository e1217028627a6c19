"""The level of each image: what a study's column says of it, as text; empty where it is unknown.

A column is one of the skin scales (``records/skin_scales.py``), an attribute that the table has, or one of its facts.
Of numbers (age, ITA, Monk's tones) ``bands`` make levels.
"""

import json
import math
from collections.abc import Mapping

import pandas as pd

from pipeline_steps.records.populations import SKIN_TYPE, level_text
from pipeline_steps.records.skin_scales import FITZPATRICK, ITA, ITA_TYPE, MILK6, MONK10, ita_type, why_unsound
from pipeline_steps.records.unknown import is_unknown
from pipeline_steps.stage.errors import DataError

Bands = Mapping[str, tuple[float, float]]
_OF_THE_SET = ("condition", "patient_id", "lesion_id", "role")  # what a set may say beside skin and attributes
# The scales that a column takes values of, and the one that others would have to be told on.
_SCALES = {SKIN_TYPE: FITZPATRICK, MONK10: (MONK10,), MILK6: (MILK6,)}
_MEASURED = "measured on each image's border by audit"
_SHOWN = 3  # values in a message


def levels(table: pd.DataFrame, column: str, bands: Bands) -> "pd.Series[str]":
    """The level of each row of a manifest; of Fitzpatrick's scale a type, else a group.

    ``ita`` and ``ita_type`` are of the data set's own angles, where it has some; else of the column ``ita`` that
    ``audit`` measured (``source_of_ita``).

    Raises:
        DataError: the data set says nothing of ``column``, or tells skin on another scale; a value is in no band.
    """
    said = _said(table, column)
    return _banded(table, column, said, bands) if bands else said.map(level_text).mask(said.map(is_unknown), "")


def source_of_ita(table: pd.DataFrame) -> str:
    """Where a study's angles come from, in words."""
    own = sorted(set(table.loc[table["skin_scale"] == ITA, "skin_assigner"]))
    return f"assigned by {', '.join(who or 'nobody named' for who in own)}" if own else _MEASURED


def _said(table: pd.DataFrame, column: str) -> "pd.Series[str]":
    if column in {ITA, ITA_TYPE}:
        return _angles(table, column)
    attributes = [json.loads(text) for text in table["attributes"]]
    if column in _SCALES and (column == SKIN_TYPE or not any(column in one for one in attributes)):
        return _of_scale(table, column)
    if any(column in one for one in attributes):
        return pd.Series([str(one.get(column, "")) for one in attributes], index=table.index)
    if column in _OF_THE_SET:
        return table[column].astype(str)
    scales = {name for name, scales in _SCALES.items() if table["skin_scale"].isin(scales).any()}
    there = [*sorted({name for one in attributes for name in one}), *sorted(scales), ITA, ITA_TYPE, *_OF_THE_SET]
    raise DataError(
        f"population.column is {column!r}, which the images have not; they have {', '.join(there)}. Name one of "
        "them, or add the column of the table to attributes under ingest.sources"
    )


def _of_scale(table: pd.DataFrame, column: str) -> "pd.Series[str]":
    """Values of the records on the column's scales; a record on another one is refused, with the reason."""
    strange = ~table["skin_scale"].isin([*_SCALES[column], ""])
    if not strange.any():
        return table["skin_value"].astype(str)
    first = table[strange].iloc[0]
    scale, wanted = str(first["skin_scale"]), _SCALES[column][0]
    own = next((c for c, scales in _SCALES.items() if scale in scales), scale)
    raise DataError(
        f"population.column is {column}, and the skin of {strange.sum()} of {len(table)} images (first: "
        f"{first['image_id']}) is told on another scale, {scale}: {why_unsound(scale, wanted)}. Set population.column "
        f"to {own}"
    )


def _angles(table: pd.DataFrame, column: str) -> "pd.Series[str]":
    own = table["skin_scale"] == ITA
    if own.any():
        angles = pd.to_numeric(table["skin_value"].where(own), errors="coerce")
    else:
        angles = table["ita"] if "ita" in table else pd.Series(float("nan"), index=table.index)
    as_text = ita_type if column == ITA_TYPE else repr
    said = ["" if math.isnan(angle) else as_text(angle) for angle in angles.astype(float)]
    return pd.Series(said, index=table.index, dtype=str)


def _banded(table: pd.DataFrame, column: str, said: "pd.Series[str]", bands: Bands) -> "pd.Series[str]":
    """The band that holds each number: from its lower bound up to its upper one, which the highest alone includes."""
    known = ~said.map(is_unknown) | (said.str.fullmatch(r"-1(\.0)?") & (column == ITA))
    numbers = pd.to_numeric(said.where(known), errors="coerce").astype(float)
    names = pd.Series("", index=table.index)
    highest = max(high for _, high in bands.values())
    for name, (low, high) in bands.items():
        names = names.mask((numbers >= low) & ((numbers < high) | ((numbers == high) & (high == highest))), name)
    _refuse(
        table, said, known & numbers.isna(), f"no number, and population.bands are of numbers of {column}; mend the"
    )
    left = f"in none of population.bands ({_spelled(bands)}); widen one, or add one for the"
    _refuse(table, said, known & numbers.notna() & (names == ""), left)
    return names


def _refuse(table: pd.DataFrame, said: "pd.Series[str]", strange: "pd.Series[bool]", why: str) -> None:
    if strange.any():
        values = said[strange].drop_duplicates()
        shown = f"{', '.join(values.head(_SHOWN))}{' …' if len(values) > _SHOWN else ''}"
        first, values_are = table.loc[strange, "image_id"].iloc[0], f"value{'s' if len(values) > 1 else ''}"
        raise DataError(f"of {strange.sum()} images (first: {first}) the value is {why} {values_are} {shown}")


def _spelled(bands: Bands) -> str:
    return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in bands.items())
