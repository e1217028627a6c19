"""Orchestration: knows stage names only; imports neither torch nor pipeline_steps."""

import os
from collections.abc import MutableMapping

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def exempt_loopback(environment: MutableMapping[str, str]) -> None:
    """Exempt this machine's own addresses from the proxy, in both spellings of NO_PROXY.

    A proxy can't reach a server on this machine. Where the two spellings differ, both get the union, as a program may
    read either. ``*`` (no proxy at all) stays alone, as some programs know it only so.
    """
    names = ("NO_PROXY", "no_proxy")
    known = [host.strip() for name in names for host in environment.get(name, "").split(",") if host.strip()]
    hosts = "*" if "*" in known else ",".join(dict.fromkeys([*known, *LOOPBACK]))
    environment.update(dict.fromkeys(names, hosts))


# Prefect reads these when it is imported: no server or client that this package starts reports its use to anybody.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
exempt_loopback(os.environ)
