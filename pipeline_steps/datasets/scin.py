"""SCIN (Ward et al. 2024): 5,033 cases that people sent in, one to three photographs each, labelled by dermatologists.

Two tables join on ``case_id``, a signed integer of 64 bits; lists are Python's literals. A case's condition is the name
of the highest weight; where two share it, the case has none, and ``tie`` is noted: the order of names means nothing.
The group is the case (people are not told apart), and cases that share a photograph are one. Skin types were told by
the people themselves, by up to three dermatologists, and as Monk's tones by two pools of raters: one of them is chosen,
the others are kept in ``other_skin``, and they are never averaged. One path lacks its ending: files are found without.
"""

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, WithAttributes, photographs
from pipeline_steps.datasets.downloads import Cells, find_table, in_words, table_rows, whole_number
from pipeline_steps.records.groups import merge_groups
from pipeline_steps.records.licences import Licence
from pipeline_steps.records.skin_scales import SkinColumn
from pipeline_steps.stage.errors import DataError

LICENCE = Licence("SCIN Data Use License", "conditions", "Ward et al. 2024, SCIN")
_TYPES = {f"fst{n}": str(n) for n in range(1, 7)}
_RATED = tuple(f"dermatologist_fitzpatrick_skin_type_label_{n}" for n in (1, 2, 3))
_SKIN: dict[str, SkinColumn] = {
    "self": SkinColumn("fitzpatrick_skin_type", "fitzpatrick", "self"),
    "dermatologists": SkinColumn("dermatologists", "fitzpatrick", "expert"),
    "monk_india": SkinColumn("monk_skin_tone_label_india", "monk10", "crowd"),
    "monk_us": SkinColumn("monk_skin_tone_label_us", "monk10", "crowd"),
}
_RATINGS = [*_SKIN.values(), *(SkinColumn(name, "fitzpatrick", "expert") for name in _RATED)]
_WEIGHTS = "weighted_skin_condition_label"
_PATHS = tuple(f"image_{n}_path" for n in (1, 2, 3))
_LABELLED = {_WEIGHTS: "it is the diagnosis", "dermatologist_skin_condition_on_label_name": "it is the diagnosis"}


class Scin(WithAttributes):
    """``ingest.sources.scin``. ``skin_type``: who told it; of the dermatologists the median."""

    revealing: ClassVar[Mapping[str, str]] = _LABELLED
    folder: Path
    skin_type: Literal["self", "dermatologists", "monk_india", "monk_us"]


def published(p: Scin) -> Published:
    """The photographs of all cases.

    Raises:
        DataError: a table is not there or was changed, or the two hold other cases.
    """
    csv, labels = find_table(p.folder, ["scin_cases.csv"]), find_table(p.folder, ["scin_labels.csv"])
    cases = _by_case(csv, ("fitzpatrick_skin_type", *_PATHS))
    told = _by_case(labels, (_WEIGHTS, *_RATED, "monk_skin_tone_label_india", "monk_skin_tone_label_us"))
    if odd := sorted({*cases} ^ {*told}):
        raise DataError(f"{csv} and {labels} hold other cases ({len(odd)}, such as {odd[0]}); take both of one release")
    counts = Counter({"ties": 0, "skin_type_undecided": 0, "shared_photographs": 0})
    by_photograph: dict[str, list[tuple[str, Cells]]] = {}
    for case, (place, cells) in cases.items():
        said = cells | _label(*told[case], counts) | {"dermatologists": _median(*told[case], counts)}
        for path in filter(None, (cells[column] for column in _PATHS)):
            by_photograph.setdefault(path, []).append((place, {**told[case][1], **said, "path": path}))
    rows, skin = _rows(by_photograph, counts), _SKIN[p.skin_type]
    mapped = Mapped(
        csv=csv,
        images=p.folder,
        masks=p.folder,
        file="{path}",
        mask="",
        image_id="name",
        condition="condition",
        skin_type=skin.name,
        skin_scale="monk10" if skin.scale == "monk10" else "fitzpatrick",
        skin_assigner=skin.assigner,
        patient_id="",
        lesion_id="group",
        attributes=p.attributes,
    )
    return Published(mapped, rows, anywhere=True, counts=counts, other_skin=_RATINGS)


def _by_case(csv: Path, columns: Sequence[str]) -> dict[str, tuple[str, Cells]]:
    found: dict[str, tuple[str, Cells]] = {}
    for place, cells in table_rows(csv, ("case_id", *columns)):
        case = whole_number(place, "case_id", cells["case_id"])
        if case in found:
            raise DataError(f"{place}: case {case} has a row already, {found[case][0]}; take the table as published")
        found[case] = place, cells
    return found


def _label(place: str, cells: Cells, counts: Counter[str]) -> Cells:
    """The condition of the highest weight; none where there is no label, or two share it."""
    weights = _literal(place, cells[_WEIGHTS])
    most = max(weights.values(), default=0)
    first = [name for name, weight in weights.items() if weight == most]
    tie = len(first) > 1
    counts["ties"] += tie
    return {"condition": first[0] if len(first) == 1 else "", "tie": "yes" if tie else ""}


def _literal(place: str, cell: str) -> dict[str, float]:
    try:
        found: Any = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(weight, (int, float)) for weight in found.values()):
        raise DataError(
            f"{place}, column {_WEIGHTS}: {cell[:60]!r} is no map of names and weights, such as {{'Eczema': 0.67}}; "
            "take the table as it was published"
        )
    return found


def _median(place: str, cells: Cells, counts: Counter[str]) -> str:
    """The median of up to three types; nothing where it falls between two of them."""
    types = sorted(filter(None, (in_words(place, column, cells[column], _TYPES) for column in _RATED)))
    if not types:
        return ""
    low, high = types[(len(types) - 1) // 2], types[len(types) // 2]
    counts["skin_type_undecided"] += low != high
    return low if low == high else ""


def _rows(by_photograph: Mapping[str, list[tuple[str, Cells]]], counts: Counter[str]) -> list[Row]:
    """One row a photograph; what cases that share it say otherwise is not known of it."""
    shared = [[cells["case_id"] for _, cells in cases] for cases in by_photograph.values()]
    ids = [case for cases in shared for case in cases]
    group = merge_groups(ids, [(cases[0], case) for cases in shared for case in cases[1:]])
    rows = []
    for path, ((place, first), *others) in by_photograph.items():
        counts["shared_photographs"] += bool(others)
        cells = {c: text if all(text == other[c] for _, other in others) else "" for c, text in first.items()}
        facts = {"tie": cells["tie"]} if cells["tie"] else {}
        name = path.rpartition("/")[2]
        rows.append(Row({**cells, "name": name, "group": group[first["case_id"]]}, place, LICENCE, facts))
    return rows


SCIN = DataSet("scin", Scin, lambda p: {"table": p.folder}, lambda p: {"table": p.folder}, photographs(published))
