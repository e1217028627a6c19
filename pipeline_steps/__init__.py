"""The stages of the pipeline, one verb a module, and the libraries they share."""

import atexit
import ctypes
import gc
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

# A stage's imports make a million objects that stay: looking for cycles among them, again and again while they load and
# once more at the end, was a third of the time that it takes to start and to leave.
COLLECTION = gc.get_threshold()  # stage.run goes back to it once all is imported
if sys.argv[:1] == ["-m"]:
    gc.set_threshold(200_000, 20, 20)
    atexit.register(gc.freeze)
