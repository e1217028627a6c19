"""A comparison as ten plain lines: what tells most comes first, what does not fit is counted."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline_steps.comparing.comparison import Comparison, interval, value
from pipeline_steps.comparing.difference import IMAGES, MEANS, SAME, Difference
from pipeline_steps.comparing.relevance import most_telling
from pipeline_steps.comparing.values import Contender
from pipeline_steps.reporting.arms import arm_name

LINES = 10
_PARAMETERS, _WIRING, _CODE = 4, 1, 2  # that are named; the rest is counted
_WIDE = 40  # letters of a value or a cell's change
_RESOLVED = ("higher", "lower")


def all_lines(c: Comparison) -> list[str]:
    """A line for everything, however many there are."""
    rows = [f"  {key} {a} → {b}" for key, (a, b) in c.changes.parameters.items()]
    return [*_head(c), *_did(c), *(["all parameters that differ:", *rows] if _unnamed(c) else [])]


def lines(c: Comparison, page: str = "--all") -> list[str]:
    """At most ``LINES``; what does not fit is counted in the last one, with ``page`` as the place where it is."""
    head, body = _head(c), _did(c)
    if not leaves_out(c):
        return head + body
    kept = body[: max(0, LINES - len(head) - 1)]
    counts = ((_unnamed(c), "parameter"), (len(body) - len(kept), "line"))
    left = [f"{n} more {what}{'s' * (n > 1)}" for n, what in counts if n]
    return [*head, *kept, f"… {' and '.join(left)}: {page}"]


def leaves_out(c: Comparison) -> bool:
    """Whether ``LINES`` are too few for all that differs."""
    return _unnamed(c) > 0 or len(_head(c)) + len(_did(c)) > LINES


def _unnamed(c: Comparison) -> int:
    """How many parameters that differ have no place in their line."""
    return max(0, len(c.changes.parameters) - _PARAMETERS)


def _head(c: Comparison) -> list[str]:
    return [*_changed(c), *_notes(c)]


def _did(c: Comparison) -> list[str]:
    """What the change did, to contenders with something resolved first."""
    found = sorted(_by_contender(c), key=lambda one: not any(d.verdict in _RESOLVED for d in one[1]))
    return [line for contender, differences in found for line in _did_to(c, contender, differences)]


def _changed(c: Comparison) -> Iterator[str]:
    found = c.changes
    yield f"A {c.a.title}   B {c.b.title}"
    if found.profiles[0] != found.profiles[1]:
        yield f"profile     {' → '.join(found.profiles)}"
    named = most_telling(found.parameters, _PARAMETERS)
    pairs = [f"{key} {' → '.join(map(_plain, found.parameters[key]))}" for key in named]
    count = f"{len(found.parameters)} differ: " if len(found.parameters) > _PARAMETERS else ""
    yield f"parameters  {count}{'; '.join(pairs) or 'the same'}"
    files = [f"{module} ({_few(names, 1, ', ')})" if names else module for module, names in found.code.items()]
    code = f"code of {_few(files, _CODE, ', ')}" if files else "the same code"
    images = "other images" if found.images else "the same images"
    yield f"wiring      {_few([_plain(line) for line in found.wiring], _WIRING, '; ') or 'the same'}; {code}; {images}"


def _notes(c: Comparison) -> Iterator[str]:
    for name, keys in c.changes.not_run.items():
        yield f"not run     {name}: its results were computed with other values of {_few(keys, 3, ', ')}; 'dvc repro'"
    for name, (outputs, how) in c.absent.items():
        yield f"not at hand {len(outputs)} outputs of {name}: {how}"
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


def _did_to(c: Comparison, contender: Contender, found: Sequence[Difference]) -> Iterator[str]:
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
        if d.verdict in _RESOLVED
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
