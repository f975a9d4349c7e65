"""A folder of checkpoints: one safetensors file holds all of a run's state, replaced whole or not
at all; the folder serves one run at a time, for two that write to it would undo each other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tenfold.errors import TrainingError, bad_value
from tenfold.machine.processes import on_first_process
from tenfold.machine.tensors import checksum
from tenfold.values import plain

FILE, BEST = "resume.safetensors", "best.safetensors"
LOCK = "run.lock"
PATIENCE = 10.0  # seconds: the workers of a loader outlive a killed process, and hold what it held


def write_state(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write to a temporary name, flush to disk, rename. Raises TrainingError when it cannot."""
    part = path.with_suffix(".part")
    own = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(facts)
        save_file(own, part, metadata={"tenfold": text, "sum": checksum(own, text)})
        flush(part)
        part.replace(path)
        flush(path.parent)  # the new name, too, outlives a power cut
    except (OSError, SafetensorError) as error:
        with suppress(OSError):  # the folder itself may be the trouble
            part.unlink(missing_ok=True)
        way = "the last complete one is intact: free some room and run again to resume"
        raise unwritable(error, path, way) from error


def unwritable(error: Exception, path: Path, way_out: str) -> TrainingError:
    """The error of a disk that does not take what a run is."""
    return TrainingError(f"A checkpoint must be writable, but found {error} at {path}; {way_out}.")


def flush(path: Path) -> None:
    """What is written of a file or directory reaches the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and facts of a checkpoint, or None without one. Raises InputError if damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata.get("sum") != checksum(tensors, metadata["tenfold"]):
                raise ValueError("its checksum is another")
            return tensors, json.loads(metadata["tenfold"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise bad_value(
            "A checkpoint must be readable",
            f"{path.name} damaged ({error})",
            "delete its directory to start over",
        ) from error


def check_same_run(facts: Mapping[str, Any], now: Mapping[str, Any], folder: Path | None) -> None:
    """What is taken up goes on as it began. Raises InputError, or KeyError for missing facts."""
    for key, value in now.items():
        if facts[key] != plain(value) and key != "every":  # JSON has lists for tuples
            raise bad_value(
                f"A resumed run must keep its {key}",
                f"{value!r} instead of {facts[key]!r}",
                f"use the old value, or delete {folder} to start over",
            )


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
