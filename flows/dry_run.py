"""What a run would do, as a table: which stages, why, and how long they took before."""

from collections.abc import Sequence

from flows.durations import Estimates
from flows.plan import Stage


def summarise(why: Sequence[str], most: int = 3) -> str:
    """The first reasons, and how many more there are."""
    more = f" and {len(why) - most} more" if len(why) > most else ""
    return "; ".join(why[:most]) + more


_CHECK = "check_params"  # its output never changes: that it runs makes nothing stale


def show_plan(plan: list[Stage], overrides: Sequence[str] = ()) -> str:
    """The plan as a table. Frozen stages never run: one that is not as it was left gets a line of its own.

    ``overrides`` come first: in a line of their own, and among the reasons.
    """
    stale: set[str] = set()
    seconds, width = Estimates(), max((len(stage.name) for stage in plan), default=0)
    lines, frozen = [f"{'stage':{width}} {'seconds':>8}  why"], []
    for stage in plan:
        if stage.frozen:
            frozen += [f"{stage.name} is frozen and does not run: {summarise(stage.why)}"] if stage.why else []
            continue
        upstream = [need for need in stage.needs if need in stale and need != _CHECK]
        reasons = stage.why or tuple(f"{need} may change" for need in upstream)
        if reasons:
            stale.add(stage.name)
            shown = sorted(reasons, key=lambda why: not _of_overrides(why, overrides))
            lines.append(f"{stage.name:{width}} {seconds.of(stage.name):>8}  {summarise(shown)}")
    head = [f"with -S {' -S '.join(overrides)}"] if overrides else []
    return "\n".join([*head, *lines, *frozen, f"{len(stale)} of {len(plan)} stages may run"])


def _of_overrides(why: str, overrides: Sequence[str]) -> bool:
    """Whether a reason is a parameter that is overridden: ``classifier.updates 400 → 200``."""
    names = [text.removeprefix("params.yaml:").lstrip("+~").split("=")[0] for text in overrides]
    return any(why.startswith((f"{name} ", f"{name}.")) for name in names)
