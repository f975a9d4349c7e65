"""Data as they are given: checked before anything is planned, and made once the plan is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

from tenfold.data.augment import Blends
from tenfold.data.batches import check_many, length_of, no_batches
from tenfold.data.made import count_asked, made_inputs
from tenfold.data.synthetic import check_synthesisable
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Progress
from tenfold.network.guest import Guest


def check_data(data: Iterable[Any] | str | None, guest: Guest) -> None:
    """Before anything is planned or made: batches, or a word that this model can serve."""
    if isinstance(data, str):
        count_asked(data)
        check_synthesisable(guest.exact, guest.exact_example)
    else:
        check_batches(Blends(data) if isinstance(data, Tensor) else data)


def batches_of(
    data: Iterable[Any] | str,
    guest: Guest,
    classifies: bool,
    seed: int,
    progress: Progress,
) -> Iterable[Any]:
    """Batches as they are given, or blends of few inputs, real or made."""
    if isinstance(data, str):
        count = count_asked(data)
        data = on_first_process(
            lambda: made_inputs(
                guest.exact,
                guest.exact_example,
                count,
                classifies=classifies,
                seed=seed,
                progress=progress,
            )
        )
    return Blends(data) if isinstance(data, Tensor) else data


def check_batches(data: Iterable[Any] | None) -> None:
    """A single batch is refused, and data that could be gone through once alone."""
    check_many(data)
    if isinstance(data, Iterator) or (data is not None and length_of(data) == 0):
        raise no_batches()
