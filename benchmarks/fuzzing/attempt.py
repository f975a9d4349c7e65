"""One damaged input -> what came of it: loaded, refused in one sentence, or a fault."""

from __future__ import annotations

import re
import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenfold.errors import TenfoldError

SECONDS = 5.0  # of the processor, that one input may take
MEMORY = 2**29  # bytes of address space that one input may take beyond what was ever taken
HARD = 2**33  # bytes beyond which the system refuses more
LONGEST = 2_000  # characters of a sentence
PART = ".tenfold."  # in the names of what is being written
LOADED, REFUSED = "loaded", "refused"


class TooLong(BaseException):
    """The time is over; no ``except Exception`` may catch it."""


def attempt(use: Callable[[Path], None], folder: Path, output: str = "") -> str:
    """``"loaded"``, ``"refused"``, or the fault in one line. What is left behind must belong to the
    ``output``, and may not be a part of a file."""
    before, held = peak_memory(), names_in(folder)
    try:
        with within(SECONDS):
            found = outcome_of(use, folder)
    except TooLong:
        return f"it took more than {SECONDS:g} s"
    grown, left = peak_memory() - before, names_in(folder) - held
    if grown > MEMORY:
        return f"it took {grown / 2**20:,.0f} MB"
    left = {name for name in left if not (output and name.startswith(output)) or PART in name}
    if left:
        return f"it left {min(left)}"
    return found


def outcome_of(use: Callable[[Path], None], folder: Path) -> str:
    """The same without a look at time and memory."""
    try:
        use(folder)
    except TenfoldError as error:
        return REFUSED if is_sentence(str(error)) else f"no sentence: {str(error)!r:.300}"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return f"{type(error).__name__} in {where}: {str(error)!r:.200}"
    return LOADED


def is_sentence(text: str) -> bool:
    """One line of no more than a few thousand characters that all terminals and files take."""
    if "\n" in text or not text.endswith(".") or len(text) > LONGEST:
        return False
    return not re.search(r"[\x00-\x1f\ud800-\udfff]", text)


def names_in(folder: Path) -> set[str]:
    """All files and folders in it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def peak_memory() -> int:
    """Bytes of address space that this process has had at most."""
    text = Path("/proc/self/status").read_text("utf-8")
    return 1024 * int(text.partition("VmPeak:")[2].split()[0])


def limit_memory() -> None:
    """What would take the machine down fails in this process instead."""
    most = peak_memory() + HARD
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises TooLong where the block takes longer."""

    def stop(number: int, frame: Any) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
