"""The norm in which a weight error is measured: ``||G^1/2 (W - What) A^1/2||_F``.

A is the second moment of a layer's input, G that of its output gradient: the two Kronecker
factors of the Fisher information (Martens and Grosse 2015). ``None`` stands for the identity,
so ``Metric()`` is the plain Frobenius norm.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SIDES = ("both", "inputs", "plain")
TINY = 1e-70  # its inverse root is still a float32
RIDGE = 0.3  # chosen on held-out training images among 0.001, 0.03, 0.3 and 1


@dataclass(frozen=True)
class Root:
    """A symmetric square root and its inverse, both ``(n, n)``, or ``(n,)`` of diagonal ones."""

    root: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, moment: Tensor, ridge: float = RIDGE) -> Root:
        """Root of a second moment; ``ridge``, in mean eigenvalues, is added to all of them."""
        if moment.ndim == 1:
            root = (moment.double() + ridge * moment.double().mean() + TINY).sqrt()
            return cls(root.float(), (1 / root).float())
        values, vectors = torch.linalg.eigh(moment.double())
        values = values.clamp_min(0) + ridge * values.clamp_min(0).mean() + TINY
        root = values.sqrt()
        return cls(((vectors * root) @ vectors.T).float(), ((vectors / root) @ vectors.T).float())


@dataclass(frozen=True)
class Metric:
    """Roots for the input mode ``(n, n)``, the output mode ``(m, m)`` and, for formats whose
    first factor sees whole patches, the patch mode ``(n * window, n * window)``. A layer with
    groups has a metric for each in place of these."""

    inputs: Root | None = None
    outputs: Root | None = None
    patches: Root | None = None
    groups: tuple[Metric, ...] = ()

    @property
    def turned(self) -> Metric:
        """That of the transposed weight."""
        return Metric(inputs=self.outputs, outputs=self.inputs)

    def on(self, side: str) -> Metric:
        """The metric on a side of ``SIDES``: of both, of the inputs alone, or the identity."""
        if side == "both":
            return self
        if side == "plain":
            return Metric()
        parts = tuple(part.on(side) for part in self.groups)
        return Metric(self.inputs, None, self.patches, parts)

    def per_group(self, groups: int) -> tuple[Metric, ...]:
        """The metric of each of so many groups."""
        return (self,) if groups == 1 else self.groups or (Metric(),) * groups

    def whiten(self, weight: Tensor) -> Tensor:
        """``G^1/2 W A^1/2`` for a weight ``(m, n / groups, *kernel)``, in float32."""
        if self.groups:
            parts = zip(self.groups, weight.chunk(len(self.groups)))
            return torch.cat([metric.whiten(part) for metric, part in parts])
        white = along(weight.float(), 0, self.outputs.root if self.outputs else None)
        return along(white, 1, self.inputs.root if self.inputs else None)

    def lift_output(self, factor: Tensor, dim: int = 0) -> Tensor:
        """Undo the output root along ``dim`` of a factor of the whitened weight."""
        return along(factor, dim, self.outputs.inverse if self.outputs else None)

    def lift_input(self, factor: Tensor, dim: int = 1) -> Tensor:
        """Undo the input root along ``dim`` of a factor of the whitened weight."""
        return along(factor, dim, self.inputs.inverse if self.inputs else None)


def along(tensor: Tensor, dim: int, matrix: Tensor | None) -> Tensor:
    """Mode product with a symmetric matrix, or its diagonal; ``None`` is the identity."""
    if matrix is None:
        return tensor
    if matrix.ndim == 1:
        return tensor * matrix.to(tensor).reshape(-1, *[1] * (tensor.ndim - 1 - dim % tensor.ndim))
    return torch.movedim(torch.tensordot(tensor, matrix.to(tensor), dims=([dim], [0])), -1, dim)
