"""A folder of tiny ONNX models to be timed on another device, with the script that does it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.costs import COSTS
from tenfold.curves.trace import Curve
from tenfold.deploy.prepare import deploy
from tenfold.latency.interpolate import choose_axes
from tenfold.latency.table import COUNTED
from tenfold.latency.unit import Unit, units_of
from tenfold.machine.files import check_free, placing_folder
from tenfold.machine.progress import Progress, silent
from tenfold.network.arrays import arrays_of
from tenfold.runtimes import Runtime, check_available
from tenfold.runtimes.chain import chain_of
from tenfold.runtimes.onnxruntime.chain import chain_to_onnx, filled

SCRIPT = "measure_table.py"


def write_folder(
    model: nn.Module,
    example: Any,
    curves: Sequence[Curve],
    folder: str | Path,
    progress: Progress = silent,
) -> int:
    """Write every unit a latency budget may look at, the whole network and the script to a new
    folder, whole or not at all; returns the number of units.

    Weights of the units are constants, so the files are small. Raises MissingExtra without onnx,
    InputError when the model does not export or the folder exists or cannot be written."""
    runtime = check_available("onnxruntime")
    target = check_free(folder)
    units = grid_units(curves)
    whole = onnx_bytes(runtime, model, example)
    with placing_folder(target) as part:
        index = {unit.key: _write(runtime, part, n, unit) for n, unit in enumerate(units)}
        progress("layers", len(units), len(units))
        (part / "whole.onnx").write_bytes(whole)
        arrays = arrays_of(example)
        shapes = [list(array.shape) for array in arrays]
        most = [int(array.max()) if array.dtype.kind in "iu" else None for array in arrays]
        listed = {
            "whole": {"file": "whole.onnx", "input": shapes, "most": most},
            "network": {name: COSTS[name].measure(model, example) for name in COUNTED},
            "units": index,
        }
        (part / "units.json").write_text(json.dumps(listed, indent=1), "utf-8")
        script = files("tenfold.latency").joinpath(SCRIPT).read_text("utf-8")
        (part / SCRIPT).write_text(script, "utf-8")
    return len(units)


def grid_units(curves: Sequence[Curve]) -> list[Unit]:
    """Dense units first, then the nodes between which a table interpolates."""
    by_key: dict[str, Unit] = {}
    for curve in sorted(curves, key=lambda c: c.format != "dense"):
        nodes = product(*choose_axes(curve.ranks)) if curve.ranks.shape[1] else [()]
        for ranks in nodes:
            for unit in units_of(curve.site, curve.format, ranks):
                by_key.setdefault(unit.key, unit)
    return list(by_key.values())


def _write(runtime: Runtime, part: Path, number: int, unit: Unit) -> dict[str, Any]:
    """One file, and its line in the index."""
    name, example, module = f"{number:05}.onnx", unit.example(), unit.module()
    links = chain_of(module, example)
    light = chain_to_onnx(links, example, filled) if links else None
    (part / name).write_bytes(light or onnx_bytes(runtime, module, example))
    dense = replace(unit, format="dense", ranks=()).key
    return {"file": name, "input": list(example.shape), "dense": dense}


def onnx_bytes(runtime: Runtime, model: nn.Module, example: Any) -> bytes:
    """The file that is exported of a model."""
    with tempfile.TemporaryDirectory() as folder:
        path = deploy(runtime, model, example, Path(folder)).content
        return Path(path).read_bytes()
