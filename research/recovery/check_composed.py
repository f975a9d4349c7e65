"""Whether composed and compiled networks compute what their chains do, gradients too.

    python -m research.recovery.check_composed --device cuda
    TRITON_INTERPRET=1 python -m research.recovery.check_composed    # its kernels slowly on a CPU

ResNet-20 at 5.2x (the saved model) on noise, in double precision; only the GPU kernels compute in
single. Prints the largest difference in any gradient, relative to the gradient's norm.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

import tenfold
from benchmarks.networks import resnet
from research.recovery.composed import Composed, compose_all, kernel_of
from research.recovery.dense import Dense
from research.recovery.folders import RESULTS
from research.recovery.separable import separable_kernel


def gradients(model: nn.Module, answer: Callable[[Tensor], Tensor], images: Tensor) -> list[Tensor]:
    """Of the answers' log-sum-exp."""
    loss = answer(images).logsumexp(1).mean()
    return list(torch.autograd.grad(loss, list(model.parameters())))


def furthest(found: Iterable[Tensor], wanted: Iterable[Tensor]) -> float:
    """The largest relative difference."""
    return max(float((f - w).norm() / w.norm()) for f, w in zip(found, wanted))


def kernels_apart(model: nn.Module) -> float:
    """The GPU kernels' gradients against those of stock operations."""
    found, wanted = [], []
    for links in [list(m) for m in model.float().modules() if isinstance(m, Composed)]:
        weights, one = [link.weight for link in links], kernel_of(links)
        direction = torch.randn_like(one)
        wanted += torch.autograd.grad(one, weights, direction)
        found += torch.autograd.grad(separable_kernel(links, torch.float32), weights, direction)
    return furthest(found, wanted)


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Compare and print."""
    device = torch.device(arguments_of(argv).device)
    torch.manual_seed(0)
    chained = tenfold.load(RESULTS / "resnet20_5.2x", resnet.ResNet).double().train().to(device)
    composed = compose_all(copy.deepcopy(chained))
    compiled, dense = copy.deepcopy(composed), Dense(resnet.ResNet().double().to(device))
    images = torch.randn(32, 3, 32, 32, dtype=torch.float64, device=device)
    wanted = gradients(chained, chained, images)
    print(f"composed: {furthest(gradients(composed, composed, images), wanted):.1e}")
    found = gradients(compiled, lambda x: dense(compiled, x), images)
    print(f"compiled: {furthest(found, wanted):.1e}")
    print(f"GPU kernels: {kernels_apart(composed):.1e}")


if __name__ == "__main__":
    main()
