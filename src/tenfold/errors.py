"""Every error of tenfold: one sentence with the rule, the value found and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

LONGEST = 1_500  # characters of a sentence


class TenfoldError(Exception):
    """Base of all errors a caller can act on; ``exit_code`` is what the command line returns."""

    exit_code = 2

    def __init__(self, text: str) -> None:
        super().__init__(in_one_line(text))


class InputError(TenfoldError, ValueError):
    """An argument, a file or a model that does not follow the rule."""


class BudgetError(TenfoldError, ValueError):
    """A budget that is not one, or that no plan can meet."""

    exit_code = 3


class PlanError(TenfoldError, ValueError):
    """A plan that does not fit the model it is applied to."""

    exit_code = 4


class TrainingError(TenfoldError, RuntimeError):
    """Fine-tuning that cannot go on."""

    exit_code = 5


class MissingExtra(TenfoldError, ImportError):
    """An optional dependency that is needed now."""

    exit_code = 6


class Interrupted(TenfoldError):
    """Stopped from outside; 130 is what shells expect after Ctrl-C."""

    exit_code = 130


def bad_value(rule: str, found: object, way_out: str) -> InputError:
    """The one shape of an input error: ``rule, but found X; way out.``"""
    return InputError(f"{rule}, but found {found}; {way_out}.")


@contextmanager
def as_bad_value(rule: str, way_out: str) -> Iterator[None]:
    """What a model, a runtime or an exporter raises inside, as bad input."""
    try:
        yield
    except TenfoldError:
        raise
    except Exception as error:  # of classes of their own
        raise bad_value(rule, in_a_line(error), way_out) from error


def in_one_line(text: str) -> str:
    """A sentence as every terminal and file takes it, whatever it quotes: without breaks and signs
    that cannot be seen, and without the middle of what is very long."""
    flat = " ".join(text.splitlines())
    if len(flat) > LONGEST:
        flat = f"{flat[: LONGEST // 2]} ... {flat[-LONGEST // 3 :]}"
    return "".join(x if x.isprintable() else ascii(x)[1:-1] for x in flat)


def in_a_line(error: BaseException) -> str:
    """An error's class, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return ": ".join((type(error).__name__, *lines[:1]))


def unknown_name(kind: str, found: str, known: Iterable[str]) -> InputError:
    """A name that no registry holds."""
    return bad_value(
        f"{kind} must be a known name", repr(found), f"choose from {', '.join(sorted(known))}"
    )
