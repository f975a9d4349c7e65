"""What exporters and other libraries say while they work: silenced, as what matters comes back as a
value or an error; and an error of theirs in one sentence that names the operation."""

from __future__ import annotations

import io
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from tenfold.errors import InputError, bad_value

OPERATION = re.compile(r"\b((?:aten|prims|prim|torchvision|torch_library)(?:::|\.)\w+(?:\.\w+)?)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CUSTOM = re.compile(r"torch\.ops\.(\w+\.\w+)")
MOST = 200  # characters of the original message


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, log lines or prints from Python inside; the settings are put back."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)


def not_exported(error: Exception, step: str) -> InputError:
    """Why a step of an export failed: the operation, by name or by the line that calls it."""
    return bad_value(
        f"A model must export through {step}",
        told_by(error),
        "replace that operation, or choose what needs no graph: safetensors, or the engine eager",
    )


def told_by(error: BaseException) -> str:
    """The operation that the error is about, where it is called, and what was said of it."""
    chain = causes(error)
    lines = [COLOUR.sub("", x).strip() for each in chain for x in str(each).splitlines()]
    named = next((x for x in lines if operation_in(x)), "")
    said = named or next(filter(None, lines), type(error).__name__)
    line = calling_line(chain)
    parts = (operation_in(named), f"in {line}" if line else "", f"({shortened(said)})")
    return " ".join(filter(None, parts))


def operation_in(text: str) -> str:
    """The name of an ATen or custom operation in a line, if there is one."""
    match = OPERATION.search(text) or CUSTOM.search(text)
    return match.group(1) if match else ""


def shortened(text: str) -> str:
    """At most ``MOST`` characters, without what ends a sentence."""
    return (text if len(text) <= MOST else f"{text[:MOST]}...").rstrip('.:;"')


def causes(error: BaseException) -> list[BaseException]:
    """The error and what led to it, outermost first."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    return chain


def calling_line(chain: Sequence[BaseException]) -> str | None:
    """The innermost line of the user's own code in the tracebacks."""
    own = str(Path(__file__).parents[1])
    for error in reversed(chain):
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            library = any(x in frame.filename for x in ("site-packages", "lib/python", own))
            if frame.line and not library:
                return f"{Path(frame.filename).name}:{frame.lineno} `{frame.line}`"
    return None
