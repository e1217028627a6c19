"""The stages of the pipeline, one verb a module, and the libraries they share."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

# Here, before the heavy imports, and only for `python -m pipeline_steps.…`: when dvc is killed with SIGKILL its stage
# must die too, or it would go on writing into outputs that the next run commits.
if sys.platform == "linux" and sys.argv[:1] == ["-m"]:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        sys.exit("the process that started this stage is gone")
