"""How many threads a stage computes with: a parameter, because results depend on it."""

from pydantic import Field

from pipeline_steps.stage.params import Params


class Threads(Params):
    """``compute`` (stages that train or generate) and ``scoring`` (stages that measure) in params.yaml."""

    threads: int = Field(ge=1, le=1024)


def use_threads(count: int) -> None:
    """Fix the thread count of torch and of the loaded BLAS libraries."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(count)
    threadpool_limits(count)
