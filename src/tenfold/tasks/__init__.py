"""What outputs are for: how two are compared, and what is drawn from one."""

from tenfold.tasks._base import TASKS, Distance, Evidence, Masks, Task
from tenfold.tasks._find import Purpose, guess_task, read_task, recall_task
from tenfold.tasks._outputs import parts_of

__all__ = [
    "TASKS",
    "Distance",
    "Evidence",
    "Masks",
    "Purpose",
    "Task",
    "guess_task",
    "parts_of",
    "read_task",
    "recall_task",
]
