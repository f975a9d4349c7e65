"""model, example -> run: a network as a runtime is given it, alike for export, bench and latency.

A network for a runtime that reads files is timed on the file that ``tenfold.export`` writes:
fused, traced, sizes open where they can be.
"""

from __future__ import annotations

import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.deploy.fuse import fuse
from tenfold.errors import as_bad_value
from tenfold.machine.files import bytes_in
from tenfold.network.arrays import tensors_in
from tenfold.network.copying import copy_of
from tenfold.network.inputs import mapped
from tenfold.runtimes import Deployed, FileRuntime, Loaded, Run, Runtime
from tenfold.runtimes.chain import chain_of


def prepare(runtime: Runtime, model: nn.Module, example: Any, threads: int = 1) -> Run:
    """A network deployed, loaded and ready to run on the example in so many threads; ``model`` is
    not changed. Raises InputError where the runtime cannot take it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return start(runtime, deploy(runtime, model, example, Path(folder)), example, threads)


def prepare_layer(runtime: Runtime, layer: nn.Module, example: Any, threads: int = 1) -> Run:
    """A layer alone, ready to run. Stock layers in a row are written the short way where the
    runtime has one, which gives the same graph."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return start(runtime, deploy_layer(runtime, layer, example, Path(folder)), example, threads)


def deploy(runtime: Runtime, model: nn.Module, example: Any, folder: Path) -> Deployed:
    """A network as the runtime is given it; files lie in the folder, which has to be empty."""
    if isinstance(runtime, FileRuntime):
        example = on_cpu(example)
        model = as_written(runtime, plain_copy(model), example)
    return runtime.deploy(model, example, folder)


def deploy_layer(runtime: Runtime, layer: nn.Module, example: Any, folder: Path) -> Deployed:
    """The same for a layer alone."""
    links = chain_of(layer, example)
    if links and isinstance(runtime, FileRuntime):
        path = folder / f"layer{runtime.suffix}"
        if runtime.write_chain(links, example, path):
            return Deployed(path, bytes_in(folder), dynamic=True)
    return deploy(runtime, layer, example, folder)


def start(runtime: Runtime, deployed: Deployed, example: Any, threads: int) -> Run:
    """What was deployed, loaded and ready to run; what was written has run once by then."""
    rule = f"A model must run in {runtime.label} to be timed there"
    with as_bad_value(rule, "time it on the engine eager"):
        run = runtime.load(deployed.content, threads)(example)
        if isinstance(runtime, FileRuntime):
            run()
        return run


def as_written(runtime: FileRuntime, model: nn.Module, example: Any) -> nn.Module:
    """The model itself, or fused where the runtime's files may hold a fused one."""
    return fuse(model, example) if runtime.fuses else model


def plain_copy(model: nn.Module) -> nn.Module:
    """In evaluation mode on the CPU, dense in memory, without gradients."""
    plain = copy_of(model).cpu().eval().requires_grad_(False)
    for tensor in chain(plain.parameters(), plain.buffers()):
        tensor.data = in_rows(tensor.data)
    return plain


def on_cpu(example: Any) -> Any:
    """The example without gradients, on the CPU, dense in memory."""
    return mapped(lambda x: in_rows(x.detach().cpu()), example)


def in_rows(x: Tensor) -> Tensor:
    """A strided tensor with the strides of a new one of its shape. Images of one channel count as
    contiguous in either memory format, but runtimes read the format off the strides."""
    if x.layout != torch.strided or x.stride() == torch.empty(x.shape, device="meta").stride():
        return x
    return x.clone(memory_format=torch.contiguous_format)


def answers(loaded: Loaded, example: Any) -> list[Tensor]:
    """The outputs for an example, on the CPU; later runs leave them alone."""
    return tensors_in(loaded(example)())
