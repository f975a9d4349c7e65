"""One matrix -> its singular values, or its two factors, through the smaller Gram matrix.

The matrix stays in its own type; only blocks of it are ever held in the type of the arithmetic,
which has more than twice its digits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tenfold.formats import CHUNK, gram
from tenfold.formats.metric import along
from tenfold.network.guest import HALF
from tenfold.stream.read_moments import Weighing


def energies_of(weight: Tensor, weighing: Weighing) -> Tensor:
    """Squared singular values of ``W A^1/2``, falling, float64 ``(min(out, in),)``; NaN where the
    weight is not finite."""
    square = smaller_gram(weight, weighing)
    if not bool(square.diagonal().isfinite().all()):
        return square.new_full((len(square),), torch.nan, dtype=torch.float64)
    values = torch.linalg.eigvalsh(square)
    return values.flip(0).double().clamp_min(0) * weighing.scale


def split(weight: Tensor, weighing: Weighing, rank: int) -> tuple[Tensor, Tensor]:
    """Factors ``(out, rank)`` and ``(rank, in)`` of the best approximation in the metric, in the
    type of the weight; equal shares of each singular value lie on both sides."""
    values, vectors = torch.linalg.eigh(smaller_gram(weight, weighing))
    least = torch.finfo(values.dtype).eps * values[-1].clamp_min(0) + 1e-30
    scale = values[-rank:].flip(0).maximum(least).pow(0.25)
    basis = vectors[:, -rank:].flip(1)
    if is_tall(weight):
        root = weighing.root
        right = along(basis, 0, root.inverse if root else None) * scale
        left = product(weight, along(basis, 0, root.root if root else None) / scale)
        return left, right.T.to(weight.dtype)
    return (basis * scale).to(weight.dtype), product(weight.T, basis / scale).T


def is_tall(weight: Tensor) -> bool:
    """Whether the Gram matrix is that of the columns."""
    return len(weight) > weight.shape[1]


def smaller_gram(weight: Tensor, weighing: Weighing) -> Tensor:
    """``M Mᵀ`` or ``Mᵀ M`` of ``M = W A^1/2``, whichever is smaller."""
    dtype = arithmetic(weight)
    root = weighing.root.root.to(dtype) if weighing.root else None
    if is_tall(weight):
        return along(along(gram(weight.T, dtype), 0, root), 1, root)
    if root is None:
        return gram(weight, dtype)
    total = weight.new_zeros(len(weight), len(weight), dtype=dtype)
    for columns in torch.arange(weight.shape[1]).split(max(1, CHUNK // len(weight))):
        total += gram(whitened(weight, root, columns), dtype)
    return total


def whitened(weight: Tensor, root: Tensor, columns: Tensor) -> Tensor:
    """Some columns of ``W A^1/2``."""
    if root.ndim == 1:
        return weight[:, columns].to(root.dtype) * root[columns]
    return product(weight, root[:, columns], root.dtype)


def product(matrix: Tensor, other: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """``matrix @ other`` in the type of ``matrix``, or the one told, some rows at a time."""
    out = matrix.new_empty(len(matrix), other.shape[1], dtype=dtype or matrix.dtype)
    step = max(1, CHUNK // max(matrix.shape[1], other.shape[1]))
    for part, into in zip(matrix.split(step), out.split(step)):
        into.copy_(part.to(other.dtype) @ other)
    return out


def arithmetic(weight: Tensor) -> torch.dtype:
    """float32 for weights of 16 bits, which are rounded far more coarsely; else float64."""
    return torch.float32 if weight.dtype in HALF else torch.float64
