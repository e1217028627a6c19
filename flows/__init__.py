"""Orchestration: knows stage names only; imports neither torch nor pipeline_steps."""

import os

# Prefect reads these when it is imported: no server or client that this package starts reports its use to anybody.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# A proxy for the world must not be asked for this machine's own server.
for _name in ("NO_PROXY", "no_proxy"):
    _known = [host for host in os.environ.get(_name, "").split(",") if host]
    os.environ[_name] = ",".join(dict.fromkeys([*_known, "127.0.0.1", "localhost"]))
