"""What a person sees: progress bars, tables, one sentence for an error; and what a machine sees."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from tenfold.machine.progress import Progress

ROOM = 160  # columns of a file or pipe
LEAST = 12  # columns of a name that is shortened


def console(machine: bool) -> Console:
    """Standard output, or standard error where standard output belongs to a machine; names and
    paths are shown as they are. A file or pipe has room for all columns."""
    stream = sys.stderr if machine else sys.stdout
    width = None if stream.isatty() else ROOM
    return Console(stderr=machine, highlight=False, markup=False, emoji=False, width=width)


@contextmanager
def drawn_progress(shown: bool = True) -> Iterator[Progress]:
    """A progress callback that draws a bar a stage on standard error, or nothing."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Bars(*columns, console=Console(stderr=True), disable=not shown) as bars:
        tasks: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield progress


class Name:
    """A name in a table, which loses its middle where room is short."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __len__(self) -> int:
        return len(self.text)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(LEAST, len(self.text)), len(self.text))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(shortened(self.text, options.max_width), no_wrap=True)


Row = Sequence["str | Name"]


def shortened(name: str, room: int) -> str:
    """``"model.enc…t_projection"``: both ends of a name, for its ends tell it from others."""
    if len(name) <= room:
        return name
    end = room // 2
    return f"{name[: max(0, room - end - 1)]}…{name[len(name) - end :]}"


def table(title: str, heads: Sequence[str], rows: Sequence[Row]) -> Table:
    """A plain table; heads of numbers begin with ``#``. Where room is short a ``Name`` loses its
    middle, other names are folded, and so are the sentences that a last column may hold; numbers
    never are."""
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, head in enumerate(heads):
        number, name = head.startswith("#"), head.lstrip("#")
        whole = number or 0 < index < len(heads) - 1
        widest = max([len(name), *(len(row[index]) for row in rows)])
        drawn.add_column(
            name,
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=whole,
            min_width=widest if whole else None,
        )
    for row in rows:
        drawn.add_row(*row)
    return drawn


def say_json(value: Mapping[str, Any]) -> None:
    """One JSON object as the last line of standard output."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def say_error(sentence: str) -> None:
    """One sentence on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"[bold red]error:[/] {sentence.replace('[', chr(92) + '[')}"
    )
