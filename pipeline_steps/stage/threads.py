"""How many threads a stage computes with: a parameter, because results depend on it."""

from pipeline_steps.stage.params import Params, read_params


class Compute(Params):
    """``compute`` in params.yaml."""

    threads: int


def use_threads() -> int:
    """Fix the thread count of torch and of the loaded BLAS libraries to ``compute.threads`` and return it."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = read_params(Compute, "compute").threads
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    return threads
