"""Data that raise while they are read: the error says so, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tenfold.errors import TenfoldError, TrainingError, in_a_line

LONGEST = 300  # characters of a message: workers send their whole traceback


def guarded(data: Iterable[Any]) -> Iterator[Any]:
    """The same batches; what a loader raises comes out as a TrainingError."""
    try:
        yield from data
    except TenfoldError:
        raise
    except Exception as error:
        raise unreadable(error, "", "mend it and run again") from error


@contextmanager
def running_through(when: str) -> Iterator[None]:
    """What the model says of a batch that it does not take, as a TrainingError; BatchNorm of a
    batch of one, where there is nothing to normalise over, among the rest."""
    try:
        yield
    except TenfoldError:
        raise
    except Exception as error:
        if "more than 1 value per channel" in str(error):
            raise TrainingError(
                f"BatchNorm needs batches of two inputs or more, but found one {when}; pass "
                "drop_last=True to the DataLoader, or batchnorm='frozen' and reestimate=0."
            ) from error
        raise TrainingError(
            f"Batches must run through the model, but found {in_a_line(error)} {when}; check what "
            "the data give."
        ) from error


def unreadable_at(error: Exception, step: int, saved: bool) -> TrainingError:
    """The error that names the step whose batch could not be had."""
    way = "mend it and run again to resume at this step" if saved else "mend it and run again"
    return unreadable(error, f" at step {step + 1}", way)


def unreadable(error: Exception, where: str, way: str) -> TrainingError:
    """The rule, what the loader said, the way out."""
    text = str(error)
    lines = text.strip().splitlines() if text.startswith("Caught ") else [text]  # from a worker
    message = " ".join((lines[-1] if lines else "").split())[:LONGEST]
    return TrainingError(
        f"Data must give a batch, but found {type(error).__name__}: {message}{where}; {way}."
    )
