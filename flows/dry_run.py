"""What a run would do, as a table: which stages, why, and how long they took before."""

import re
from collections.abc import Mapping, Sequence

from flows.durations import Estimates, group_of
from flows.memory import needs
from flows.plan import Stage, reasons_to_run
from flows.resources import Resources

# Stages that compute what is new alone: of each image, what comes of it is kept, by the weights that made it.
BY_ITEM = ("audit", "caption", "generate", "score_fid", "screen")
_WEIGHTS = re.compile(r"dependency (models/\S+)$")


def summarise(why: Sequence[str], most: int = 3) -> str:
    """The first reasons, and how many more there are."""
    more = f" and {len(why) - most} more" if len(why) > most else ""
    return "; ".join(why[:most]) + more


def show_plan(plan: list[Stage], overrides: Sequence[str] = (), needs_of_it: Sequence[str] = ()) -> str:
    """The plan as a table. Frozen stages never run: one that is not as it was left gets a line of its own.

    ``overrides`` come first: in a line of their own, and among the reasons. ``needs_of_it``: what ``needed`` says.
    """
    estimates, width = Estimates(), max((len(stage.name) for stage in plan), default=0)
    lines = [f"{'stage':{width}} {'seconds':>8}  why"]
    reasons = reasons_to_run(plan)
    for name, why in reasons.items():
        shown = sorted(why, key=lambda reason: not _of_overrides(reason, overrides))
        lines.append(f"{name:{width}} {estimates.text(name):>8}  {summarise(shown)}")
    frozen = [f"{s.name} is frozen and does not run: {summarise(s.why)}" for s in plan if s.frozen and s.why]
    head = [f"with -S {' -S '.join(overrides)} (params.yaml itself stays as it is)"] if overrides else []
    notes = [*frozen, *_all_anew(plan, reasons), *needs_of_it]
    return "\n".join([*head, *lines, *notes, f"{len(reasons)} of {len(plan)} stages may run"])


def _all_anew(plan: list[Stage], reasons: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each group of stages that may have to compute again what they have, not what is new alone."""
    because: dict[str, dict[str, None]] = {}
    for stage in plan:
        if (group := group_of(stage.name)) in BY_ITEM and stage.name in reasons:
            makers = [group_of(name) for name in stage.weights if name in reasons]
            changed = [found[1] for why in stage.why if (found := _WEIGHTS.search(why))]
            because.setdefault(group, {}).update(dict.fromkeys([*makers, *changed]))
    return [
        f"{group} computes all anew, not what is new alone, if {' or '.join(names)} gives other weights: each item is "
        "kept by their digest"
        for group, names in because.items()
        if names
    ]


def needed(plan: list[Stage], machine: Resources, *, force: bool = False) -> list[str]:
    """What a run needs at once, in a sentence, and a warning for each stage that this machine is too small for.

    Nothing where nothing may run.
    """
    running = reasons_to_run(plan, force=force)
    if not running:
        return []
    found = needs(plan, running, machine.cores, len(machine.gpus), machine.memory)
    said = f"at once about {found.memory:,} MiB of memory ({machine.memory:,.0f} are free)"
    slots = f"{found.gpus} GPU slots (here are {len(machine.gpus)})"
    memory = {stage.name: stage.memory for stage in plan}
    return [
        f"needs {said}, {slots}",
        *(
            f"warning: {name} needs {memory[name]:,} MiB, more than this machine has free ({machine.memory:,.0f}): "
            "it will run alone and may be killed; free memory, or run it on a larger machine (--pool)"
            for name in found.too_large
        ),
    ]


def _of_overrides(why: str, overrides: Sequence[str]) -> bool:
    """Whether a reason is a parameter that is overridden: ``classifier.updates 400 → 200``."""
    names = [text.removeprefix("params.yaml:").lstrip("+~").split("=")[0] for text in overrides]
    return any(why.startswith((f"{name} ", f"{name}.")) for name in names)
