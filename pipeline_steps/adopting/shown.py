"""What ``adopt`` found, as a person reads it: the columns, the codes, condition x level, the study."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from pipeline_steps.adopting.codes import Naming
from pipeline_steps.adopting.images import Images
from pipeline_steps.adopting.pictures import Pictures
from pipeline_steps.adopting.roles import Guess
from pipeline_steps.adopting.study import Study
from pipeline_steps.adopting.tables import Table
from pipeline_steps.records.populations import SKIN_TYPE, levels_name, noun
from pipeline_steps.records.skin_types import roman

_MOST = 12  # conditions in a table


def found(table: Table, pictures: Pictures, roles: Mapping[str, Guess], attributes: Sequence[str]) -> list[str]:
    """What lies in the folder, and which column says what."""
    masks = f", {len(pictures.masks)} masks" if pictures.masks else ""
    lines = [f"{pictures.root}: {len(pictures.photographs)} pictures{masks}", f"{table.place}: {len(table.cells)} rows"]
    lines += [f"note: {note}" for note in table.notes]
    if pictures.unread:
        lines.append(f"note: {len(pictures.unread)} files such as {pictures.unread[0]} are not read; save them as JPEG")
    width = max(len(g.column or "none") for g in roles.values())
    lines += [f"  {role:<10} {g.column or 'none':<{width}}  {g.reason}" for role, g in roles.items()]
    told = ", ".join(attributes) or "none"
    rest = [str(c) for c in table.cells if c not in {*attributes, *(g.column for g in roles.values())}]
    more = f" (not used: {_some(rest)}; name those that matter by --attributes)" if rest else ""
    return [*lines, f"  {'attributes':<10} {told}{more}"]


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def names(naming: Naming) -> list[str]:
    """Which labels get other names."""
    by_reason: dict[str, list[str]] = {}
    for label, why in naming.why.items():
        by_reason.setdefault(why, []).append(f"{label} → {naming.names[label]}")
    return [f"labels, {why}: {', '.join(sorted(set(pairs)))}" for why, pairs in by_reason.items()]


def condition_by_level(images: Images, levels: "pd.Series[str]", column: str) -> list[str]:
    """Images by condition and level; those whose level is unknown, and rows without a picture, apart."""
    rows = images.rows
    label = rows["label"].replace("", "(no label)")
    there = rows["there"].astype(bool)
    n = pd.crosstab(label[there], levels[there])
    known = [level for level in n.columns if level]
    heads = [roman(level) if column == SKIN_TYPE else str(level) for level in known]
    lacking = label[~there].value_counts()
    order = sorted({*label}, key=lambda c: (c == "(no label)", -int((label == c).sum()), c))
    body = [[c, *(_at(n, c, level) for level in known), _at(n, c, ""), int(lacking.get(c, 0))] for c in order[:_MOST]]
    total = ["all", *(int(n[level].sum()) for level in known), int(n[""].sum()) if "" in n else 0, int((~there).sum())]
    more = [f"  and {len(order) - _MOST} more conditions"] if len(order) > _MOST else []
    lines = _table([noun(column), *heads, "unknown", "no picture"], [*body, total])
    return [*lines[:-1], *more, lines[-1]]


def _at(n: pd.DataFrame, condition: str, level: str) -> int:
    return int(n.loc[condition, level]) if condition in n.index and level in n.columns else 0  # type: ignore[arg-type]


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    text = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[i]) for row in text) for i in range(len(heads))]
    lines = []
    for first, *rest in text:
        numbers = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join(["", first.ljust(widths[0]), *numbers]))
    return lines


def study(s: Study) -> list[str]:
    """Who is compared, on which conditions, and what was left out."""
    ends = f"{levels_name(s.column, s.majority)} (majority) against {levels_name(s.column, s.minority)} (minority)"
    lines = [f"study: {ends}: {s.reason}"]
    lines.append(f"conditions: {', '.join(s.conditions)}; split.flexible_per_condition {s.flexible}")
    return lines + [f"left out: {why}" for why in _first(s.left_out.values())]


def _first(lines: Iterable[str], most: int = 6) -> list[str]:
    listed = list(lines)
    return listed[:most] + ([f"and {len(listed) - most} more conditions"] if len(listed) > most else [])
