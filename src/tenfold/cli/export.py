"""``tenfold export``: a saved model as a file that another runtime reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Optional

import typer
from rich.console import Console
from torch import nn

from tenfold.cli._shared import Example, Json, Weights, open_source, running
from tenfold.cli._terminal import console, drawn_progress, say_json, table
from tenfold.cli.evaluate import Folder, Source, original_of
from tenfold.cli.recipe import Recipe
from tenfold.deploy.export import Exported
from tenfold.deploy.export import export as write
from tenfold.deploy.measure import RUNS, MeasuredFile
from tenfold.deploy.quantise import Quantised, quantise, quantised_to_json
from tenfold.errors import bad_value
from tenfold.runtimes import FILES, INT8
from tenfold.sources import Loaded, open_data
from tenfold.store.folder import load, read_report
from tenfold.store.notes import note_file

SUFFIXES = ", ".join(f"{FILES[name].suffix} for {name}" for name in FILES)
To = Annotated[str, typer.Option(help=f"The kind of file: {', '.join(FILES)}.")]
Out = Annotated[str, typer.Option(help=f"A new file; its name ends in {SUFFIXES}.")]
NoFuse = Annotated[
    bool, typer.Option("--no-fuse", help="Keep BatchNorm and every layer as they are.")
]


Int8 = Annotated[
    bool,
    typer.Option("--int8", help=f"Quantise weights and activations; for {', '.join(INT8)}."),
]
Data = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="With --int8: training batches to calibrate on, demo or "
        "path/to/file.py:function; made from BatchNorm statistics by default."
    ),
]
Test = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="With --int8: labelled batches to report accuracy on; by default those of "
        "--data, of demo the test images."
    ),
]


def export(
    folder: Folder,
    to: To,
    out: Out,
    int8: Int8 = False,
    data: Data = None,
    test: Test = None,
    no_fuse: NoFuse = False,
    source: Source = None,
    weights: Weights = None,
    example: Example = None,
    json: Json = False,
) -> None:
    """Write a compressed model for another runtime, and check what that runtime computes.

    The file is read back and held against the model, on the example and on random inputs, before
    it appears under its name. With [bold]--int8[/] it stands in a table with the float files:
    size, latency on one thread and, on labelled batches, accuracy; the same as JSON beside it and
    in the report of the saved model.

    [bold]Examples[/]

      tenfold export small --to onnx --out small.onnx

      tenfold export small --to executorch --out small.pte

      tenfold export small --to onnx --int8 --data demo --out small-int8.onnx
    """
    check_flags(int8, no_fuse, {"data": data, "test": test})
    recipe = original_of(folder, source, weights, example)
    loaded = open_source(recipe.source, recipe.weights, recipe.example)
    model = load(folder, loaded.model)
    if int8:
        quantise_and_show(folder, loaded, model, to, out, data, test, recipe.class_mode, json)
        return
    with running(Recipe()):
        done = write(model, loaded.example, out, to=to, fused=not no_fuse)
    console(json).print(sentence(done))
    if json:
        say_json({**asdict(done), "path": str(done.path)})


def check_flags(int8: bool, no_fuse: bool, data: Mapping[str, str | None]) -> None:
    """Flags that would have no effect are a mistake."""
    for name, value in data.items():
        if value and not int8:
            raise bad_value(f"--{name} needs --int8", "no --int8", "pass --int8 too")
    if int8 and no_fuse:
        raise bad_value("--int8 quantises a fused model", "--no-fuse", "leave it out")


def quantise_and_show(
    folder: str,
    loaded: Loaded,
    model: nn.Module,
    to: str,
    out: str,
    data: str | None,
    test: str | None,
    mode: int | None,
    json: bool,
) -> None:
    """Quantise, measure, show the float files and the int8 one in a table, and put them into the
    report of the saved model."""
    labelled = test or data
    read_report(folder)  # that it is there, before the work
    with running(Recipe()), drawn_progress() as progress:
        done = quantise(
            model,
            loaded.example,
            out,
            to=to,
            original=loaded.model,
            progress=progress,
            calibration=open_data(data, "train") if data else None,
            test=open_data(labelled, "test") if labelled else None,
            class_mode=mode,
        )
    show_quantised(console(json), done)
    page = note_file(folder, quantised_to_json(done))
    console(json).print(f"The same is in {page} now.")
    if json:
        say_json({**quantised_to_json(done), "path": str(done.path)})


def show_quantised(out: Console, done: Quantised) -> None:
    """A line a file, then how the ranges were chosen."""
    first = done.files[0]
    timed = [head for size in first.latency for head in (f"#ms, batch {size}", "#faster")]
    rows = [
        [
            x.name,
            f"{x.bytes / 1e3:,.1f}",
            f"{first.bytes / x.bytes:.2f}x",
            *timing_cells(first, x),
            "" if x.accuracy is None else f"{x.accuracy:.2f} %",
        ]
        for x in done.files
    ]
    heads = ["", "#kB", "#smaller", *timed, "#top-1"]
    out.print(table(f"Files for {done.to}", heads, rows))
    out.print(
        f"Wrote {done.path}: ranges by {done.variant} on {done.calibration} inputs; on others its "
        f"outputs are {100 * done.error:.2f} % off. Medians of {RUNS} interleaved runs on "
        "one thread, ratios by the time at work."
    )


def timing_cells(first: MeasuredFile, file: MeasuredFile) -> Iterator[str]:
    """Milliseconds, and how many times faster than the first file, at each batch size."""
    for size, timing in file.latency.items():
        yield f"{timing.median:.2f}"
        yield f"{first.latency[size].busy / timing.busy:.2f}x"


def sentence(done: Exported) -> str:
    """What was written and how it was checked."""
    batch = "any batch size" if done.dynamic else "this batch size only"
    along = [f"axis {' and '.join(map(str, done.axes[name]))} of {name}" for name in done.axes]
    if along:
        batch += f", any size along {', '.join(along)}"
    elif done.dynamic:
        batch += ", other sizes fixed"
    wrote = f"Wrote {done.path} ({done.bytes / 1e3:,.1f} kB) for {done.to}, {batch}"
    if done.difference is None:
        return f"{wrote}; nothing was compared: {done.unchecked}."
    batches = " and ".join(map(str, done.batches))
    return (
        f"{wrote}; read back and compared at batch {batches}: outputs differ by "
        f"{done.difference:.1e} of the largest."
    )
