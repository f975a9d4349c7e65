"""Checkpoint, sites -> the squared singular values of every matrix, each kept as soon as known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from safetensors.torch import save_file
from torch import Tensor

from tenfold.errors import bad_value
from tenfold.machine.processes import on_first_process, share, world
from tenfold.machine.progress import Progress
from tenfold.store.read_state import read_tensors
from tenfold.stream.read_checkpoint import Entry, read_tensor
from tenfold.stream.read_moments import Moments
from tenfold.stream.spectrum import energies_of
from tenfold.stream.work_folder import Work, write_whole

A = TypeVar("A")
AT_ONCE = 8  # items a process between two times at which all wait for one another


def measure_spectra(
    weights: Mapping[int, Entry], moments: Moments, work: Work, progress: Progress
) -> dict[str, Tensor]:
    """By name of the weight, float64 and falling; ``weights`` are numbered by their place in the
    checkpoint. Those that a run before has kept are read back.

    Raises InputError for a weight that is not finite.
    """
    files = {number: work.spectra / f"{number:06d}.safetensors" for number in weights}

    def measure(number: int) -> None:
        entry = weights[number]
        energies = energies_of(read_tensor(entry), moments.weighing(entry))
        if not bool(energies.isfinite().all()):
            raise bad_value(
                "Weights must be finite",
                f"NaN or infinity in {entry.name}",
                "load the last good checkpoint",
            )
        write_whole(files[number], lambda part: save_file({entry.name: energies}, part))

    finish("spectra", measure, list(weights), lambda number: files[number], progress)
    return {name: x for file in files.values() for name, x in read_tensors(file).items()}


def finish(
    stage: str,
    make: Callable[[A], None],
    items: Sequence[A],
    file_of: Callable[[A], Path],
    progress: Progress,
) -> None:
    """Make what has no file yet, every process its part."""
    missing = on_first_process(lambda: [item for item in items if not file_of(item).exists()])
    done, step = len(items) - len(missing), AT_ONCE * world().size
    progress(stage, done, len(items))
    for start in range(0, len(missing), step):
        for _ in share(make, missing[start : start + step]):
            done += 1
            progress(stage, done, len(items))
