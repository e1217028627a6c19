"""Orchestration: knows stage names only; imports neither torch nor pipeline_steps."""

import os

# Prefect reads these when it is imported: no server or client that this package starts reports its use to anybody.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# A flow without a server starts one for itself; on a busy machine Prefect's own 20 seconds are too few.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
