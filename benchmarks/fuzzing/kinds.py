"""The files that people hand over: which one is damaged, how, and what is done with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TypeAlias

from torch import nn

import tenfold
from benchmarks.fuzzing.mutate_bytes import mutate_bytes
from benchmarks.fuzzing.mutate_json import mutate_json
from benchmarks.fuzzing.mutate_pickle import mutate_pickle
from benchmarks.fuzzing.mutate_tensors import mutate_tensors
from benchmarks.fuzzing.mutate_yaml import mutate_yaml
from benchmarks.fuzzing.real_files import compress_stream
from benchmarks.networks.tiny import example, tiny
from tenfold.build.rebuild import build_structure, planned
from tenfold.cli.compare import read_side, summary_rows, to_json
from tenfold.cli.recipe import make_recipe, write_recipe
from tenfold.costs import Target
from tenfold.latency.table import read_table, ruler_from_table
from tenfold.pipeline.compress import example_again
from tenfold.report.compare import compare_results
from tenfold.report.draw_front import draw_front
from tenfold.search.budget import parse_budget
from tenfold.sources.saved import read_noted
from tenfold.store.folder import read_plan, renew_report
from tenfold.store.source_weights import load_weights
from tenfold.store.sweep_folder import read_sweep
from tenfold.stream.read_checkpoint import read_checkpoint
from tenfold.survey.stage import survey
from tenfold.values import Survey

Mutate: TypeAlias = Callable[[bytes, Random], bytes]
BY_SUFFIX: dict[str, Mutate] = {
    ".json": mutate_json,
    ".yaml": mutate_yaml,
    ".safetensors": mutate_tensors,
    ".pth": mutate_pickle,
    ".bin": mutate_pickle,
    ".pt": mutate_bytes,
}


@dataclass(frozen=True)
class Kind:
    """``folder`` of the real files; ``pattern`` says which of them may be damaged; ``share`` of all
    inputs; ``output`` begins the names of what using it may leave behind."""

    folder: str
    pattern: str
    use: Callable[[Path], None]
    share: float
    output: str = ""

    def damage(self, folder: Path, random: Random) -> None:
        """Change one of its files."""
        files = sorted(x for x in folder.glob(self.pattern) if x.suffix in BY_SUFFIX)
        file = random.choice(files)
        mutate = mutate_bytes if random.random() < 0.1 else BY_SUFFIX[file.suffix]
        content = file.read_bytes()
        file.unlink()  # the real one has another name for the same bytes
        file.write_bytes(mutate(content, random))


@cache
def network() -> nn.Module:
    """The network that all files are of."""
    return tiny()


@cache
def surveyed() -> Survey:
    """What it is made of."""
    return survey(network(), example())


def use_plan(folder: Path) -> None:
    """Read it, hold it against the network, and make its example again."""
    plan = read_plan(folder / "plan.json")
    planned(network(), plan)
    example_again(plan, network(), None, None)


def use_build(folder: Path) -> None:
    """Read it, build what it says, and write it down again."""
    plan = read_plan(folder / "plan.json")
    build_structure(network(), plan)
    told = tenfold.plan_to_json(plan)
    assert tenfold.plan_to_json(tenfold.plan_from_json(told)) == told


def use_report(folder: Path) -> None:
    """Draw its page, and lay it beside itself."""
    renew_report(folder, lambda report: report)
    sides = read_side(str(folder)), read_side(str(folder))
    found = compare_results(*sides)
    to_json(found)
    list(summary_rows(found, sides))


def use_recipe(folder: Path) -> None:
    """Read it, and write it down again."""
    recipe = make_recipe({}, folder / "recipe.yaml")
    parse_budget(recipe.budget)
    write_recipe(recipe).encode("utf-8")


def use_table(folder: Path) -> None:
    """Hold it against the network."""
    table = read_table(folder / "table.json")
    ruler_from_table(table, surveyed(), Target("latency", "onnxruntime", 1, share=True))


def use_saved(folder: Path) -> None:
    """Load the network, and read what it was made of."""
    read_noted(folder)
    tenfold.load(folder, network())


def use_weights(path: Path) -> None:
    """Load them into the network."""
    load_weights(network(), path)


def use_pickles(folder: Path) -> None:
    """The one that was damaged was written last."""
    use_weights(max(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns))


def use_sweep(folder: Path) -> None:
    """Read it, and draw its page."""
    found = read_sweep(folder)
    if found:
        draw_front(found[0])


def use_stream(folder: Path) -> None:
    """Go on with unfinished work: the output is there and whole, or not at all."""
    try:
        compress_stream(folder)
    finally:
        if (folder / "out").exists():
            read_checkpoint(folder / "out")


KINDS = {
    "stream": Kind("stream", "**/*", use_stream, 0.03, output="out"),
    "report": Kind("saved", "*.json", use_report, 0.02),
    "build": Kind("saved", "plan.json", use_build, 0.005),
    "saved": Kind("saved", "*", use_saved, 0.005),
    "sweep": Kind("sweep", "*.json", use_sweep, 0.06),
    "pickle": Kind("pickle", "*", use_pickles, 0.1),
    "recipe": Kind("saved", "recipe.yaml", use_recipe, 0.1),
    "table": Kind("table", "*", use_table, 0.14),
    "safetensors": Kind("safetensors", "*", lambda x: use_weights(x / "net.safetensors"), 0.19),
    "index": Kind("shards", "*.json", use_weights, 0.15),
    "plan": Kind("saved", "plan.json", use_plan, 0.2),
}
