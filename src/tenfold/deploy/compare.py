"""A file's outputs held against the model's, and the layer to blame where they differ."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.deploy.prepare import answers
from tenfold.errors import bad_value
from tenfold.network.arrays import tensors_in
from tenfold.network.call import run
from tenfold.network.difference import difference, tolerance
from tenfold.network.inputs import batch_of
from tenfold.network.watch import watching_inputs
from tenfold.runtimes import FileRuntime, Loaded
from tenfold.runtimes.talk import not_exported, told_by
from tenfold.runtimes.trace import trace


def check_same(
    model: nn.Module, loaded: Loaded, probes: Sequence[Any], to: str, culprit: Callable[[], str]
) -> float:
    """The largest difference over the probes, as a share of the largest output.

    Raises InputError, with what ``culprit`` finds, when outputs differ in number or shape or by
    more than rounding.
    """
    worst = 0.0
    for probe in probes:
        wanted = tensors_in(run(model, probe))
        try:
            got = answers(loaded, probe)
        except Exception as error:  # a runtime refuses with errors of its own
            raise not_exported(error, f"{to} and run at batch {batch_of(probe)}") from error
        gap = difference(wanted, got)
        if not gap <= tolerance(wanted):
            raise bad_value(
                f"An export to {to} must compute what the model does",
                f"outputs off by {gap:.2g} of their size at batch {batch_of(probe)}, {culprit()}",
                "replace that operation, or export to another format",
            )
        worst = max(worst, gap)
    return worst


def blame(runtime: FileRuntime, model: nn.Module, example: Any, folder: Path) -> str:
    """An operation that draws at random, or the first layer that the runtime gets wrong alone."""
    drawn = random_operation(model, example)
    if drawn:
        return f"because {drawn} draws at random"
    for number, (name, layer, inputs) in enumerate(calls_of(model, example)):
        file = folder / f"layer{number}" / f"layer{runtime.suffix}"
        file.parent.mkdir()
        try:
            runtime.write(layer, inputs, file)
            got = answers(runtime.load(file, structure=layer), inputs)
        except Exception as error:  # what cannot be checked alone is told, not raised
            return f"because of {name or 'the model'} ({type(layer).__name__}: {told_by(error)})"
        wanted = tensors_in(run(layer, inputs))
        if not difference(wanted, got) <= tolerance(wanted):
            return f"because of {name or 'the model'} ({type(layer).__name__})"
    return "though each layer alone is right, so because of an operation between layers"


def random_operation(model: nn.Module, example: Any) -> str | None:
    """The first operation of the graph whose result is not the same twice."""
    for node in trace(model, example).graph.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            return str(node.target)
    return None


def calls_of(model: nn.Module, example: Any) -> Iterator[tuple[str, nn.Module, Any]]:
    """Every leaf layer with the inputs of its last call, in the order of their first calls."""
    seen: dict[str, Any] = {}

    def note(name: str) -> Callable[[nn.Module, Any], None]:
        def hook(layer: nn.Module, inputs: Any) -> None:
            seen[name] = tuple(x.detach().clone() for x in inputs if isinstance(x, Tensor))

        return hook

    named = [(name, layer) for name, layer in model.named_modules() if not any(layer.children())]
    with watching_inputs({layer: note(name) for name, layer in named}):
        run(model, example)
    layers = dict(named)
    for name, inputs in seen.items():
        if inputs:
            yield name, copy.deepcopy(layers[name]), inputs
