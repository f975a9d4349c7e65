"""model, inputs -> int8 file: ranges chosen on one half of the inputs, judged on the other."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.data.calibrate import calibration_inputs, in_batches
from tenfold.deploy.export import check_suffix, plain_copy, usable
from tenfold.deploy.fuse import fuse
from tenfold.deploy.measure import Measured, logits_by_pieces, measure_files
from tenfold.errors import as_bad_value, bad_value
from tenfold.machine.conditions import environment
from tenfold.machine.files import placing
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import run
from tenfold.network.inputs import batch_of, check_example, mapped
from tenfold.runtimes.exporters import EXPORTERS
from tenfold.runtimes.exporters._base import Runner
from tenfold.runtimes.quantisers import QUANTISERS

BATCH = 32  # inputs a calibration run
LATENCY_BATCHES = (1, 32)


@dataclass(frozen=True)
class Quantised:
    """An int8 file beside the float ones. ``error`` is the relative error of its outputs on
    inputs that its ranges were not chosen on, ``tried`` that of every variant."""

    path: Path
    to: str
    variant: str
    error: float
    tried: Mapping[str, float]
    calibration: str
    files: tuple[Measured, ...]
    conditions: Mapping[str, Any]


def quantise(
    model: nn.Module,
    example: Any,
    path: str | Path,
    *,
    to: str = "onnx",
    calibration: Iterable[Any] | None = None,
    test: Iterable[Any] | None = None,
    original: nn.Module | None = None,
    class_mode: int | None = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Quantised:
    """Write a model with int8 weights and activations, and measure what that gains and costs.

    Every variant of the runtime's calibration is tried; the one whose outputs are closest to the
    model's on inputs kept apart is written to ``path``, the measurements to ``path`` + ``.json``.

    Args:
        model: a float network, compressed or not; it is fused first, in a copy.
        example: as for ``tenfold.export``.
        path: a new file with the suffix of its kind.
        to: ``"onnx"`` (ONNX Runtime QDQ) or ``"executorch"`` (torchao PT2E for XNNPACK).
        calibration: batches of training inputs; labels are not looked at. Without, inputs are
            made from the BatchNorm statistics.
        test: labelled batches on which accuracy is reported; they choose nothing.
        class_mode: mode of the output that runs over classes, for accuracy; None for no classes.
        original: the network before compression, to stand in the same table.
        seed: of the inputs that are made.
        progress: called as ``progress(stage, done, total)``.

    Raises:
        MissingExtra: a package is missing.
        InputError: nothing to calibrate on, a model that does not export, an int8 file whose
            outputs have nothing in common with the model's, or a path that cannot be written.
    """
    target, known = Path(path), QUANTISERS[to]
    check_suffix(target, usable(known.name))
    check_example(example)
    example = mapped(lambda x: x.detach().cpu(), example)
    plain = plain_copy(model)
    fused = fuse(plain, example)
    with placing(target) as part, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models = {} if original is None else {"original": fuse(plain_copy(original), example)}
        paths, dynamic = write_floats(to, {**models, "compressed": fused}, example, folder)
        size = BATCH if dynamic else batch_of(example)
        with as_bad_value(
            "Calibration batches must run through the model",
            "give them in the example's shape and type",
        ):
            inputs = calibration_inputs(plain, example, calibration, seed, progress)
            tried, files = try_variants(to, fused, example, inputs, size, folder, progress)
        best = min(tried, key=lambda variant: tried[variant])
        check_close(tried[best], to)
        shutil.copyfile(files[best], part)
        measured = measure_files(
            to,
            {**paths, "int8": files[best]},
            example,
            test,
            LATENCY_BATCHES if dynamic else (size,),
            class_mode,
            progress,
        )
        done = Quantised(target, to, best, tried[best], tried, inputs[2], measured, environment())
        note = part.with_name(f"{target.name}.json")
        note.write_text(json.dumps(quantised_to_json(done), indent=1) + "\n", "utf-8")
    return done


def try_variants(
    to: str,
    model: nn.Module,
    example: Any,
    inputs: tuple[Any, Any, str],
    size: int,
    folder: Path,
    progress: Progress,
) -> tuple[dict[str, float], dict[str, Path]]:
    """A file a variant, and how far its outputs are from the model's."""
    quantiser, exporter = QUANTISERS[to], EXPORTERS[to]
    ranges, judged, _ = inputs
    state = quantiser.prepare(model, example, folder)
    variants = quantiser.variants(state)
    tried, files = {}, {}
    for done, variant in enumerate(variants):
        progress("int8", done, len(variants))
        files[variant] = folder / f"{done}{exporter.suffix}"
        quantiser.write(state, in_batches(ranges, size), variant, files[variant])
        tried[variant] = distance(model, exporter.read(files[variant]), judged, size)
    progress("int8", len(tried), len(tried))
    return tried, files


def distance(model: nn.Module, runner: Runner, inputs: Any, size: int) -> float:
    """Norm of the difference of the first outputs, as a share of the model's own."""
    wanted = logits_by_pieces(lambda piece: run(model, piece), inputs, size)
    found = logits_by_pieces(runner, inputs, size)
    return float((found - wanted).norm() / wanted.norm().clamp_min(1e-12))


def check_close(error: float, to: str) -> None:
    """Outputs that say nothing of the model's are no result."""
    if not error < 1:
        raise bad_value(
            f"An int8 file for {to} must follow the model",
            f"outputs off by {error:.0%}",
            "pass training inputs to calibrate on, or export without int8",
        )


def write_floats(
    to: str, models: Mapping[str, nn.Module], example: Any, folder: Path
) -> tuple[dict[str, Path], bool]:
    """The float models as files of the same runtime, and whether all take any batch size."""
    paths = {name: folder / f"{name}{EXPORTERS[to].suffix}" for name in models}
    opened = [EXPORTERS[to].write(models[name], example, file) for name, file in paths.items()]
    return paths, all(opened)


def quantised_to_json(done: Quantised) -> dict[str, Any]:
    """Plain values."""
    return {**asdict(done), "path": done.path.name, "files": [asdict(x) for x in done.files]}
