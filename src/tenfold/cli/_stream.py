"""``tenfold compress --stream FOLDER``: files to files, without building a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Optional

import typer

import tenfold
from tenfold.cli._shared import cores
from tenfold.cli._tables import show_plan, show_refusals
from tenfold.cli._terminal import console, drawn_progress, say_json
from tenfold.cli.recipe import BLANK
from tenfold.errors import Interrupted, bad_value
from tenfold.machine.processes import torch_threads, world
from tenfold.store.plan_file import plan_to_json

Stream = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="In place of SOURCE: a folder of safetensors, factored one tensor at a time, so that "
        "it may be larger than memory.",
        metavar="FOLDER",
    ),
]
Moments = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="With --stream: a safetensors file of the mean of x xᵀ over each layer's inputs, by "
        "the name of its weight."
    ),
]
Shard = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="With --stream: the size of a file of the output at most. By default 1GB."),
]
FLAGS = {"stream": Stream, "moments": Moments, "shard": Shard}
PASSED_ON = ("moments", "shard", "include", "exclude", "round_to", "method")
TAKEN = ("stream", "budget", "out", "threads", *PASSED_ON)


def compress_stream(flags: Mapping[str, Any], json: bool) -> None:
    """From a folder to a folder; shows the plan and what was left alone."""
    given = {name: value for name, value in flags.items() if value not in BLANK}
    check_flags(given)
    passed = {name: given[name] for name in PASSED_ON if name in given}
    try:
        with (
            drawn_progress(world().first) as progress,
            torch_threads(given.get("threads") or cores()),
        ):
            plan = tenfold.compress_checkpoint(
                given["stream"], given["budget"], given["out"], progress=progress, **passed
            )
    except KeyboardInterrupt:
        raise Interrupted(
            "Interrupted; the same command goes on from the tensors that are done."
        ) from None
    if not world().first:
        return
    out = console(json)
    show_plan(out, plan)
    show_refusals(out, plan.refusals)
    out.print(f"\nSaved in {given['out']}.")
    if json:
        say_json({"out": given["out"], **plan_to_json(plan)})


def check_flags(given: Mapping[str, Any]) -> None:
    """Raises InputError for what is missing, or has no meaning without a network."""
    for name in ("budget", "out"):
        if name not in given:
            raise bad_value(f"--stream needs --{name}", "none", f"pass --{name}")
    for name in given:
        if name not in TAKEN:
            flag = "SOURCE" if name == "source" else f"--{name.replace('_', '-')}"
            raise bad_value(
                "--stream must go without what needs a network",
                flag,
                "leave it out, or compress the network itself",
            )


def check_no_stream(flags: Mapping[str, Any]) -> None:
    """Raises InputError for a flag that has a meaning with --stream alone."""
    for name in ("moments", "shard"):
        if flags[name] not in BLANK:
            raise bad_value(f"--{name} needs --stream", "none", "pass --stream FOLDER")
