"""Collect the commands, run one, and turn errors into one sentence and an exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import typer

from tenfold.cli._terminal import say_error
from tenfold.cli.apply import apply
from tenfold.cli.bench import bench
from tenfold.cli.cache import cache
from tenfold.cli.compare import compare
from tenfold.cli.compress import compress
from tenfold.cli.demo import demo
from tenfold.cli.evaluate import evaluate
from tenfold.cli.export import export
from tenfold.cli.inspect import inspect
from tenfold.cli.plan import plan
from tenfold.cli.sweep import sweep
from tenfold.cli.table import table
from tenfold.errors import InputError, TenfoldError

CODES = """Exit codes: 0 done, 2 bad input, 3 budget that cannot be met, 4 plan that does not fit,
5 fine-tuning cannot go on, 6 a package is missing, 130 interrupted."""

app = typer.Typer(
    help="Make a trained PyTorch network several times smaller and faster, within a budget.",
    epilog=CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    inspect,
    plan,
    apply,
    sweep,
    compress,
    evaluate,
    bench,
    compare,
    table,
    export,
    cache,
    demo,
):
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # not all terminals have arrows
    try:
        app(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except TenfoldError as error:
        say_error(str(error))
        return error.exit_code
    except OSError as error:
        say_error(f"Files must be readable and writable, but found {error}; check the paths.")
        return InputError.exit_code
    return 0
