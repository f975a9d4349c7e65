"""``tenfold export``: a saved model as a file that another runtime reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from tenfold.cli._options import Json, Weights
from tenfold.cli._terminal import console, say_json
from tenfold.cli.evaluate import Folder, Source, original_of
from tenfold.exporting import Exported
from tenfold.exporting import export as write
from tenfold.saving import load
from tenfold.sources import open_model

To = Annotated[
    str,
    typer.Option(help="safetensors, torch-export, onnx, executorch, openvino or tflite."),
]
Out = Annotated[
    str,
    typer.Option(help="A new file, ending in .safetensors, .pt2, .onnx, .pte, .xml or .tflite."),
]
NoFuse = Annotated[
    bool, typer.Option("--no-fuse", help="Keep BatchNorm and every layer as they are.")
]


def export(
    folder: Folder,
    to: To,
    out: Out,
    no_fuse: NoFuse = False,
    source: Source = None,
    weights: Weights = None,
    json: Json = False,
) -> None:
    """Write a compressed model for another runtime, and check what that runtime computes.

    The file is read back and held against the model, on the example and on random inputs, before
    it appears under its name.

    [bold]Examples[/]

      tenfold export small --to onnx --out small.onnx

      tenfold export small --to executorch --out small.pte
    """
    recipe = original_of(folder, source, weights)
    loaded = open_model(recipe.source, recipe.weights, recipe.example)
    done = write(load(folder, loaded.model), loaded.example, out, to=to, fused=not no_fuse)
    console(json).print(sentence(done))
    if json:
        say_json(to_json(done))


def sentence(done: Exported) -> str:
    """What was written and how it was checked."""
    batches = " and ".join(map(str, done.batches))
    batch = "any batch size" if done.dynamic else "this batch size only"
    return (
        f"Wrote {done.path} ({done.bytes / 1e3:,.1f} kB) for {done.to}, {batch}; read back and "
        f"compared at batch {batches}: outputs differ by {done.difference:.1e} of the largest."
    )


def to_json(done: Exported) -> dict[str, Any]:
    """Plain values."""
    return {**asdict(done), "path": str(done.path)}
