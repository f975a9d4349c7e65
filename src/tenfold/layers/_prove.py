"""module -> Proof: whether, in evaluation, it is one stock layer with a fixed weight.

Inputs of several sizes and scales are sent through the module while torch is listened to. The
weight of the first run has to explain the outputs of all, so that neither chance nor the input
can have a part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import in_a_line
from tenfold.layers._operation import Listener, Operation
from tenfold.layers._pad import Pads, merged, pads_between
from tenfold.network.call import evaluating, frozen_rng, keeping_buffers

SCALES = (1.0, 30.0, 1.0, 0.1, 1.0)  # an input is seen at each, and at another size


@dataclass(frozen=True)
class Proof:
    """What a module was shown to be, or the reason why it was not.

    ``channels`` are those of the input, ``geometry`` the arguments of the stock class.
    """

    reason: str | None
    channels: int = 0
    geometry: tuple[tuple[str, Any], ...] = ()
    pads: Pads | None = None


def prove(module: nn.Module, stock: type[nn.Module], channels: Sequence[int]) -> Proof:
    """The first proof for one of these counts of input channels, else the last reason."""
    proof = Proof("nothing says how many channels it reads")
    for count in dict.fromkeys(channels):
        proof = attempt(module, stock, count)
        if proof.reason is None:
            break
    return proof


@torch.no_grad()
def attempt(module: nn.Module, stock: type[nn.Module], channels: int) -> Proof:
    """A proof for inputs of so many channels; whatever goes wrong is a reason."""
    try:
        with keeping_buffers(module), frozen_rng():
            return shown(module, stock, channels)
    except ValueError as error:
        return Proof(str(error))
    except Exception as error:  # anybody's code runs here
        return Proof(f"it does not run on such an input ({in_a_line(error)})")


def shown(module: nn.Module, stock: type[nn.Module], channels: int) -> Proof:
    """The proof. Raises ValueError where an output is not explained."""
    inputs = [made(module, stock, channels, trial) for trial in range(len(SCALES))]
    inputs.append(inputs[0])  # a second time: chance would show
    operations, outputs = zip(*(heard(module, stock, x) for x in inputs))
    if type(operations[0].weight) not in (Tensor, nn.Parameter):
        raise ValueError(f"its weight is a {type(operations[0].weight).__name__}")
    if any(operation.geometry != operations[0].geometry for operation in operations):
        raise ValueError("its arguments change with the input")
    pads = pads_between(inputs, operations)
    if pads and "output_padding" in operations[0].geometry:
        raise ValueError("it pads before a transposed convolution")
    operation, left = merged(operations[0], pads)
    layer, axes = stand_in(stock, operation, bias_of(module, inputs[0])), len(operation.kernel)
    for x, y in zip(inputs, outputs):
        if not close(layer(left.pad(x, axes) if left else x), y):
            raise ValueError("its outputs are not those of its first weight on every input")
    return Proof(None, channels, tuple(operation.geometry.items()), left)


def made(module: nn.Module, stock: type[nn.Module], channels: int, trial: int) -> Tensor:
    """Noise that the module can read, always the same for the same trial."""
    like = next(p for p in module.parameters() if p.is_floating_point())
    generator = torch.Generator().manual_seed(trial)
    reach = reach_of(module, stock)
    # odd and even sizes, in another order on every axis: a rule for padding has to show
    sizes = [r + 1 + trial // (1 + axis) for axis, r in enumerate(reach)]
    shape = (1 + trial % 2, channels, *sizes) if reach else (3 + trial, channels)
    return (SCALES[trial] * torch.randn(shape, generator=generator)).to(like)


def reach_of(module: nn.Module, stock: type[nn.Module]) -> list[int]:
    """How far the kernel reaches along each axis."""
    axes = {"1": 1, "2": 2, "3": 3}.get(stock.__name__[-2], 0)
    kernel = getattr(module, "kernel_size", None) or largest(module).shape[2:]
    dilation = getattr(module, "dilation", 1)
    lengths = [kernel] * axes if isinstance(kernel, int) else list(kernel)
    steps = [dilation] * axes if isinstance(dilation, int) else list(dilation)
    return [d * (k - 1) + 1 for k, d in zip(lengths, steps)][:axes]


def largest(module: nn.Module) -> Tensor:
    """The parameter of most numbers."""
    return max(module.parameters(), key=Tensor.numel)


def heard(module: nn.Module, stock: type[nn.Module], x: Tensor) -> tuple[Operation, Tensor]:
    """The last operation of the stock class that runs, and the output."""
    with evaluating(module), Listener(stock) as listener:
        y = module(x.clone())
    if not listener.heard:
        raise ValueError(f"it runs no operation of {stock.__name__} that can be seen")
    if not isinstance(y, Tensor):
        raise ValueError(f"its output is a {type(y).__name__}")
    return listener.heard[-1], y


def bias_of(module: nn.Module, x: Tensor) -> Tensor | None:
    """The output on zeros, as the module's own bias where that is the same; None for no bias."""
    with evaluating(module):
        y = module(torch.zeros_like(x))
    bias = y.movedim(1, -1).flatten(0, -2)[0]
    own = getattr(module, "bias", None)
    if isinstance(own, Tensor) and own.shape == bias.shape and torch.equal(own, bias):
        return own
    return bias if bool(bias.any()) else None


def stand_in(stock: type[Any], operation: Operation, bias: Tensor | None) -> nn.Module:
    """A stock layer that holds the weight and the bias as they were computed, gradients and all."""
    named = dict(operation.geometry)
    if operation.kernel:
        named["kernel_size"] = operation.kernel
    layer: nn.Module = stock(*operation.channels, bias=False, device="meta", **named)
    del layer._parameters["weight"], layer._parameters["bias"]
    layer.weight, layer.bias = operation.weight, bias  # type: ignore[assignment]
    return layer


def close(x: Tensor, y: Tensor) -> bool:
    """Alike but for rounding."""
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    error, size = (x - y).double().abs().max(), y.double().abs().max()
    return bool(error <= torch.finfo(y.dtype).eps ** 0.5 / 3 * size)
