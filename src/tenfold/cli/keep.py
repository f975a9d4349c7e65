"""A result: saved with the recipe that made it, and shown."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from tenfold.cli._tables import show_plan, show_report
from tenfold.cli._terminal import console, say_json
from tenfold.cli.recipe import Recipe, write_recipe
from tenfold.report import Result, report_to_json
from tenfold.store.folder import save


def keep(result: Result, folder: str | Path, recipe: Recipe, files: Iterable[Path] = ()) -> None:
    """Save the result, its recipe, and what came beside the source, as tokenizer files."""
    beside = {file.name: file for file in files}
    save(result, folder, extra={**beside, "recipe.yaml": write_recipe(recipe)})


def say_kept(result: Result, folder: str, json: bool) -> None:
    """The plan, the recount and where everything is."""
    out = console(json)
    show_result(out, result)
    say_where(out, folder)
    if json:
        say_json({"out": folder, **report_to_json(result.report)})


def show_result(out: Console, result: Result) -> None:
    """The plan, and the recount of what was built from it."""
    show_plan(out, result.plan)
    out.print()
    show_report(out, result.report)


def say_where(out: Console, folder: str) -> None:
    """Where it was saved, and what to open."""
    out.print(f"Saved in {folder}; open {folder}/report.html for the picture.")
