"""Orchestration: knows stage names only; imports neither torch nor pipeline_steps."""

import os
import sys
from collections.abc import MutableMapping
from types import TracebackType

LOOPBACK = ("127.0.0.1", "localhost", "::1")
GOES_ON = "what was finished is kept; the next run goes on from there"
_TYPED = {"flows.augment", "flows.serve", "flows.worker", "flows.automations"}


def exempt_loopback(environment: MutableMapping[str, str]) -> None:
    """Exempt this machine's own addresses from the proxy, in both spellings of NO_PROXY.

    A proxy can't reach a server on this machine. Where the two spellings differ, both get the union, as a program may
    read either. ``*`` (no proxy at all) stays alone, as some programs know it only so.
    """
    names = ("NO_PROXY", "no_proxy")
    known = [host.strip() for name in names for host in environment.get(name, "").split(",") if host.strip()]
    hosts = "*" if "*" in known else ",".join(dict.fromkeys([*known, *LOOPBACK]))
    environment.update(dict.fromkeys(names, hosts))


def _on_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A person who presses Ctrl-C while a command still imports asked for the end, not for where it came."""
    if issubclass(kind, KeyboardInterrupt):
        print(f"\ninterrupted: {GOES_ON}", file=sys.stderr, flush=True)
    else:
        sys.__excepthook__(kind, error, trace)


if sys.argv[:1] == ["-m"] and _TYPED & set(sys.orig_argv):
    sys.excepthook = _on_error

# Prefect reads these when it is imported: no server or client that this package starts reports its use to anybody.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
exempt_loopback(os.environ)
