"""What outputs are for: how two are compared, and what is drawn from one."""

from tenfold.tasks._base import TASKS, Distance, Evidence, Masks, Task
from tenfold.tasks._guess import Purpose, guess_task
from tenfold.tasks._parts import parts_of
from tenfold.tasks._read import read_task, recall_task

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
