"""Flags that several commands share and that are no settings, each with its help."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

FORMS = (
    "[bold]demo[/], timm:NAME, torchvision:NAME, hf:NAME, hf:path/to/folder, a directory that "
    "tenfold wrote, path/to/file.onnx, or path/to/file.py:function"
)
Source = Annotated[
    str,
    typer.Argument(
        help=f"{FORMS} that returns a model or (model, example).",
        metavar="SOURCE",
    ),
]
MaybeSource = Annotated[
    Optional[str],  # noqa: UP045 - typer reads the annotation on Python 3.10
    typer.Argument(
        help=f"{FORMS}; may stand in the recipe.",
        metavar="SOURCE",
    ),
]
Weights = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Weights of the model: a safetensors file, the index or the folder of several, a file "
        "of torch.save with tensors alone; or random, for a try without trained ones."
    ),
]
Example = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Shape of an input, such as 1x3x224x224; by default the source's own."),
]
Budget = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="What may be kept at most: params=0.2 (a share), params=54k, macs=0.5, "
        "bytes=1MB, latency=0.5, latency=3ms@onnxruntime; several joined by commas."
    ),
]
Quality = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="A measure of your own, file.py:function of (output, batch), higher is "
        "better; accuracy by default."
    ),
]
Calibration = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Real inputs to sense the network on in place of made ones: demo, or "
        "path/to/file.py:function of batches or of one tensor; labels are not looked at."
    ),
]
Threads = Annotated[
    Optional[int], typer.Option(help="Threads to use; all cores by default.", min=1)  # noqa: UP045
]
Config = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="A recipe, YAML with the same names as the flags; flags win."),
]
Json = Annotated[
    bool, typer.Option("--json", help="The last line on standard output is one JSON object.")
]
