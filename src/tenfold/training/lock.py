"""A folder of checkpoints serves one run at a time: two that write to it would undo each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from tenfold.errors import bad_value
from tenfold.machine.processes import on_first_process
from tenfold.training.checkpoint import unwritable

LOCK = "run.lock"
PATIENCE = 10.0  # seconds: the workers of a loader outlive a killed process, and hold what it held


@contextmanager
def holding_lock(folder: Path | None) -> Iterator[None]:
    """No other process has this folder meanwhile; one that is killed leaves it free. Raises
    InputError where another has it."""
    held: list[BaseFileLock] = []
    if folder is not None:
        on_first_process(lambda: held.append(take_lock(folder)))
    try:
        yield
    finally:
        for lock in held:
            lock.release()


def take_lock(folder: Path) -> BaseFileLock:
    """The folder's lock, which a process that has it may take again."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=PATIENCE, is_singleton=True)
        lock.acquire()
    except Timeout:
        raise bad_value(
            "A checkpoint folder serves one run at a time",
            f"{folder} in use by another process",
            "wait for that to end, or name another folder",
        ) from None
    except OSError as error:
        raise unwritable(error, folder, "name another folder") from error
    return lock
