"""What fine-tuning learns, a file a task; ``pipeline_steps.parameters.adapters`` holds the table of them."""

from typing import Any

from pipeline_steps.diffusion.tasks.task import TrainingTask
from pipeline_steps.parameters.adapters import TASKS
from pipeline_steps.stage.named import named_function


def training_task(name: str) -> TrainingTask[Any]:
    """The functions of the task ``name``."""
    task: TrainingTask[Any] = named_function(TASKS[name].functions)
    return task
