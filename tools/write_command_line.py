"""A hook of mkdocs: the page of the command line, as Typer describes the commands."""

from __future__ import annotations

import re
import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGE = "reference/command-line.md"
TYPER = ("-m", "typer", "tenfold.cli._main", "utils", "docs", "--name", "tenfold")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content=describe_commands()))
    return files


def describe_commands() -> str:
    """Markdown of every command, its arguments and its options."""
    text = subprocess.run(
        [sys.executable, *TYPER, "--title", "Command line"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return re.sub(r"^  (?=\S)", "    ", text, flags=re.MULTILINE)  # the examples, as code
