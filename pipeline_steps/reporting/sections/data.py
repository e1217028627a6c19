"""What the study holds, whom it leaves out, and whether blanks give the condition away."""

from collections.abc import Mapping
from typing import Any

from pipeline_steps.reporting.blocks import Block, Cell, Heading, Table, Words, columns
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.results import read_json
from pipeline_steps.reporting.study import METRICS, Study

_PARTITIONS = ("train", "validation", "test", "test_light", "reference", "holdout", "excluded")


def data(f: Findings) -> list[Block]:
    """Counts by condition and level, and by partition."""
    subset, audit = read_json(METRICS / "subset.json"), read_json(METRICS / "audit.json")
    sizes = [(s, d, n) for s, draws in f.study.sizes.items() for d, n in draws.items()]
    named = [f.study.words.get(p, p) for p in _PARTITIONS]
    rows: list[list[Cell]] = [[s, d, *(n[p] for p in _PARTITIONS)] for s, d, n in sizes]
    return [
        Heading("Data"),
        _counts(subset["counts"], f.study.names),
        _left_out(subset["dropped"], audit, f.study),
        *_missing(audit["missing_facts"]),
        Table(columns("scenario", "draw", *named), rows),
        *(_without(s, d, n["without"], f.study.words) for s, d, n in sizes if n.get("without")),
    ]


def _counts(counts: Mapping[str, Mapping[str, int]], names: Mapping[str, str]) -> Table:
    types = [level for level in names if any(level in n for n in counts.values())]
    rows: list[list[Cell]] = [[condition, *(n.get(t, 0) for t in types)] for condition, n in counts.items()]
    return Table(columns("condition", *(names[t] for t in types)), rows)


def _left_out(dropped: Mapping[str, Mapping[str, int]], audit: Mapping[str, Any], study: Study) -> Words:
    names = study.names
    reasons = [
        f"{reason} {sum(n.values())} ({', '.join(f'{names.get(t, t)}: {k}' for t, k in n.items())})"
        for reason, n in dropped.items()
    ]
    found = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in audit.items() if k != "missing_facts" and v != {})
    return Words(f"Left out of the study, by {study.noun}: {'; '.join(reasons) or 'nothing'}. Audit: {found}.")


def _missing(facts: Mapping[str, Any]) -> list[Words]:
    if facts["p"] is None:
        return []
    tells = facts["predicts_label"]
    said = "gives the condition away" if tells else "does not tell the condition, as far as this data can show"
    warning = " Whoever drops rows with blanks, or feeds blanks to a model, changes or gives away the label."
    return [
        Words(
            f"What is missing {said}: from the pattern of blanks alone a small tree names it with a balanced accuracy "
            f"of {facts['balanced_accuracy']:.3f}, where chance is {facts['chance']:.3f} (Cramér's V "
            f"{facts['cramers_v']:.2f}, p {facts['p']:.3f}, {facts['images']} images).{warning if tells else ''}",
            note=bool(tells),
        )
    ]


def _without(scenario: str, draw: str, without: Mapping[str, list[str]], words: Mapping[str, str]) -> Words:
    lacking = "; ".join(f"{', '.join(conditions)} ({words.get(p, p)})" for p, conditions in without.items())
    return Words(f"Scenario {scenario}, draw {draw} has no image of: {lacking}.")
