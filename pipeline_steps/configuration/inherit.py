"""Sections of named entries as people write them: an entry says only what differs.

``_each`` holds what entries share: at once, or by the tag that names their model (mode, backend, task). Within it, and
among entries, ``like: OTHER`` takes what the other says first. An entry that is null is none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_steps.configuration.overlay import merged
from pipeline_steps.configuration.sections import NAMED, TAGGED
from pipeline_steps.configuration.untrained import with_counterparts
from pipeline_steps.parameters.grid import untrained_name
from pipeline_steps.stage.mistakes import did_you_mean
from pipeline_steps.stage.params import ParamsError

EACH, LIKE = "_each", "like"
# What ``_each`` is sorted by, and the values of that.
_TAGS = {section: (tag, tuple(models)) for section, (models, tag) in TAGGED.items()}
Said = list[tuple[str, dict[str, Any]]]  # places and what they say, the nearest first


@dataclass(frozen=True)
class Expanded:
    """``params``: all, with every entry complete; ``origins``: where each entry's values were said, by its place.

    ``mistakes``: a line for each in how entries take from others.
    """

    params: dict[str, Any]
    origins: dict[str, Said]
    mistakes: list[str]

    def placed(self, lines: Iterable[str]) -> list[str]:
        """Lines on entries, each with the place where the wrong value was said, and once however many took it."""
        return list(dict.fromkeys(self._placed(line) for line in lines))

    def _placed(self, line: str) -> str:
        place = line.partition(" ")[0].rstrip(":")
        section, _, inner = place.partition(".")
        name, _, path = inner.partition(".")
        for origin, said in self.origins.get(f"{section}.{name}", []):
            if path and _says(said, path.split(".")):
                return f"{origin}.{path}{line.removeprefix(place)}"
        return line


def _says(node: Any, path: list[str]) -> bool:
    for part in path:
        if isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        else:
            return False
    return True


def expanded(source: Mapping[str, Any]) -> Expanded:
    """``source`` (parameters with ``_each`` and ``like``) with complete entries."""
    made = Expanded(dict(source), {}, [])
    for section in (*NAMED, *TAGGED):
        node = source.get(section)
        if isinstance(node, dict):
            made.params[section] = _section(section, {k: v for k, v in node.items() if v is not None}, made)
    params, wrong = with_counterparts(made.params)
    twins = {f"augmenters.{untrained_name(name)}": said for name, said in _of_augmenters(made.origins)}
    return Expanded(params, twins | made.origins, [*made.mistakes, *wrong])


def _of_augmenters(origins: Mapping[str, Said]) -> list[tuple[str, Said]]:
    return [(place.partition(".")[2], said) for place, said in origins.items() if place.startswith("augmenters.")]


def _section(section: str, node: dict[str, Any], made: Expanded) -> dict[str, Any]:
    each, entries = node.pop(EACH, {}), {}
    tag, tags = _TAGS.get(section, ("", ()))
    if not isinstance(each, dict):
        made.mistakes.append(f"{section}.{EACH} is {each!r}: it should hold what the entries share")
        each = {}
    made.mistakes.extend(_groups_mistakes(f"{section}.{EACH}", each, tag, tags))
    for name, entry in node.items():
        entries[name] = entry
        if isinstance(entry, dict):
            place = f"{section}.{name}"
            said, wrong = _chain(node, name, section)
            own = _together(said, place, wrong)
            shared: Said = [(f"{section}.{EACH}", each)]
            if tag:
                shared, more = _chain(each, own.get(tag), f"{section}.{EACH}")
                wrong += more
            made.origins[place] = [*said, *shared]
            whole = _together([*said, *shared], place, wrong) or own
            entries[name] = {key: whole[key] for key in [*own, *(k for k in whole if k not in own)]}
            made.mistakes.extend(line for line in wrong if line not in made.mistakes)
    return entries


def _groups_mistakes(place: str, each: dict[str, Any], tag: str, tags: tuple[str, ...]) -> list[str]:
    if not tag:
        return []
    lines = [
        f"{place}.{k} is {g!r}: it should hold what they share" for k, g in each.items() if not isinstance(g, dict)
    ]
    taken = {group[LIKE] for group in each.values() if isinstance(group, dict) and LIKE in group}
    unused = [name for name in each if name not in tags and name not in taken]
    return lines + [f"{place}.{n} is no {tag}, and nothing there is like it{did_you_mean(n, tags)}" for n in unused]


def _chain(entries: Mapping[str, Any], name: Any, place: str) -> tuple[Said, list[str]]:
    """What the entry ``name`` says, then the one that it is like, and so on; and a line where there is none such."""
    said: Said = []
    known = [k for k, v in entries.items() if isinstance(v, dict)]
    while name in known:
        where = f"{place}.{name}"
        entry = entries[name]
        said.append((where, {k: v for k, v in entry.items() if k != LIKE}))
        if (name := entry.get(LIKE)) is None:
            break
        if any(w == f"{place}.{name}" for w, _ in said):
            return said, [f"{where}.{LIKE} is {name}, which is like {where.rpartition('.')[2]} itself: cut the circle"]
        if name not in known:
            meant = did_you_mean(name, known) or f"; there is {', '.join(known)}"
            return said, [f"{where}.{LIKE} is {name!r}, which {place} does not hold{meant}"]
    return said, []


def _together(said: Said, place: str, wrong: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    try:
        for _, statement in reversed(said):
            made = merged(made, statement)
    except ParamsError as error:
        wrong.append(f"{place}: {error}")
        return {}
    return made
