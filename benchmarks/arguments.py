"""Arguments that every claim understands: ``--quick`` and ``--results``."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.result_files import RESULTS


def claim_parser(text: str | None) -> ArgumentParser:
    """A parser whose help is the script's docstring, as it is written."""
    parser = ArgumentParser(description=text, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="try the script in seconds: other defaults, results in a new temporary folder",
    )
    parser.add_argument("--results", type=Path, help=f"folder to write to ({RESULTS.name})")
    return parser


def read_arguments(
    parser: ArgumentParser, argv: Sequence[str] | None, quick: Mapping[str, Any]
) -> Namespace:
    """Parse the arguments. ``--quick`` only changes defaults, to those in ``quick``: flags beside
    it count, and there is one code path for both."""
    if parser.parse_known_args(argv)[0].quick:
        parser.set_defaults(**quick)
    arguments = parser.parse_args(argv)
    arguments.results = arguments.results or default_results(arguments.quick)
    return arguments


def default_results(quick: bool) -> Path:
    """The results in the repository; a quick run must not replace a number in them."""
    if not quick:
        return RESULTS
    folder = Path(tempfile.mkdtemp(prefix="tenfold-quick-"))
    print(f"results go to {folder}")
    return folder
