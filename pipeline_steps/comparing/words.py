"""A comparison as ten plain lines."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline_steps.comparing.comparison import Comparison, interval, value
from pipeline_steps.comparing.difference import IMAGES, MEANS, SAME, Difference
from pipeline_steps.comparing.values import Contender
from pipeline_steps.reporting.arms import arm_name

LINES = 10
_PARAMETERS, _WIRING, _CODE = 3, 2, 3  # that are named; the rest is counted
_WIDE = 64  # letters of a value or a cell's change


def lines(c: Comparison, most: int = LINES) -> list[str]:
    """At most so many lines; what does not fit is counted in the last one."""
    head = [f"A {c.a.title}   B {c.b.title}", *_changed(c), *_notes(c)]
    body = [line for contender, found in _by_contender(c) for line in _did(c, contender, found)]
    room = most - len(head)
    if len(body) > room:
        kept = max(0, room - 1)
        body = [*body[:kept], f"… {len(body) - kept} more lines: --all, or --page FILE.html"]
    return head + body


def _changed(c: Comparison) -> Iterator[str]:
    found = c.changes
    if found.profiles[0] != found.profiles[1]:
        yield f"profile     {' → '.join(found.profiles)}"
    pairs = [f"{key} {_plain(a)} → {_plain(b)}" for key, (a, b) in found.parameters.items()]
    yield f"parameters  {_few(pairs, _PARAMETERS, '; ') or 'the same'}"
    files = [f"{module} ({_few(names, 1, ', ')})" if names else module for module, names in found.code.items()]
    code = f"code of {_few(files, _CODE, ', ')}" if files else "the same code"
    images = "other images" if found.images else "the same images"
    yield f"wiring      {_few([_plain(line) for line in found.wiring], _WIRING, '; ') or 'the same'}; {code}; {images}"


def _notes(c: Comparison) -> Iterator[str]:
    for name, keys in c.changes.not_run.items():
        yield f"not run     {name}: its results were computed with other values of {_few(keys, 3, ', ')}; 'dvc repro'"
    for name, (outputs, how) in c.absent.items():
        yield f"not at hand {len(outputs)} outputs of {name} ({outputs[0]}): {how}"
    if not c.differences:
        yield "the two have no measurement in common: no arm and no augmenter by the same name in the same scenario"
    else:
        yield f"accuracy, {c.partition or 'no test partition'}: A → B, in %; B less A in points, 95 % {_how(c)}"


def _how(c: Comparison) -> str:
    ways = sorted({d.how for d in c.differences if d.partition == c.partition})
    return f"({'; '.join('no interval: means alone' if way == MEANS else way for way in ways)})"


def _by_contender(c: Comparison) -> list[tuple[Contender, list[Difference]]]:
    found: dict[Contender, list[Difference]] = {}
    for d in c.differences:
        if d.partition in {c.partition, IMAGES}:
            found.setdefault(d.contender, []).append(d)
    return list(found.items())


def _did(c: Comparison, contender: Contender, found: Sequence[Difference]) -> Iterator[str]:
    """Accuracy over all and the measures in one line, levels in a second."""
    measures = [d for d in found if d.partition == IMAGES or d.quantity in {"all", *_MEASURES}]
    levels = [d for d in found if d not in measures]
    yield f"{title(contender)}: {_sorted_out(c, measures)}"
    if levels:
        yield f"  by {c.noun}: {_sorted_out(c, levels)}"


_MEASURES = ("minority", "worst_accuracy", "gap")


def title(contender: Contender) -> str:
    """A contender as people write it."""
    arm = arm_name(contender.arm) if contender.arm else "images"
    said = f"{arm} of {contender.augmenter}" if contender.augmenter else arm
    return " ".join(part for part in (contender.scenario, contender.architecture, said) if part)


def _sorted_out(c: Comparison, found: Sequence[Difference]) -> str:
    """What is resolved with its numbers, and what is not by name."""
    if all(d.verdict == "same" for d in found):
        return SAME
    told = [
        f"{c.named(d)} {value(d, d.a)} → {value(d, d.b)}, {value(d, d.mean, sign=True)} ({interval(d)})"
        for d in found
        if d.verdict in {"higher", "lower"}
    ]
    open_ones = [d for d in found if d.verdict == "unresolved"]
    if open_ones:
        told.append("unresolved: " + ", ".join(f"{c.named(d)} {_unresolved(d)}" for d in open_ones))
    return "; ".join(told)


def _unresolved(d: Difference) -> str:
    found = interval(d)
    return f"{value(d, d.mean, sign=True)} ({found})" if found else value(d, d.mean, sign=True)


def _plain(found: Any) -> str:
    text = str(found)
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 1]}…"


def _few(found: Sequence[str], most: int, between: str) -> str:
    more = f"{between}and {len(found) - most} more" if len(found) > most else ""
    return between.join(found[:most]) + more
