"""The layers of the published search: their candidate ranks and decompositions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from tenfold.curves.trace import Curve
from tenfold.formats import FORMATS
from tenfold.machine.processes import parallel_map
from tenfold.search.problem import Problem

COUNT = 10  # candidates of the first round; also the factor by which the step shrinks
FAMILIES = (("cp", "svd"), ("tucker", "svd"))  # the first that serves a site


@dataclass(frozen=True)
class Layer:
    """One site in the format of the family, and what was decomposed so far, by rank."""

    curve: Curve
    weight: Tensor
    scale: float  # residuals are multiplied by this
    made: dict[int, tuple[Tensor, ...]] = field(default_factory=dict)

    @property
    def limit(self) -> int:
        """The largest tied rank at which the layer does not grow."""
        return int(self.curve.ranks.min(1).values.max())

    def tied(self, rank: int) -> tuple[int, ...]:
        """The same value for every rank of the format."""
        return (rank,) * self.curve.ranks.shape[1]

    def residual(self, rank: int, kernels: Sequence[Tensor]) -> Tensor:
        """``W - What`` in the curve's metric, flat and scaled; differentiable in the kernels."""
        fmt = FORMATS[self.curve.format]
        apart = self.weight - fmt.dense(self.curve.site, self.tied(rank), kernels)
        return self.scale * self.curve.state.metric.whiten(apart).flatten()


def layers_of(problem: Problem, family: Sequence[str]) -> list[Layer]:
    """Every site that a format of the family serves.

    In another metric than Frobenius all residuals get one factor, so that the squared norms of
    all weights add up to what they are without a metric and the published rates keep their sense.
    """
    layers = []
    for menu in problem.menus:
        curves = {c.format: c for c in problem.curves if c.site.name == menu.site.name}
        name = next((n for n in family if n in curves), None)
        if name is not None:
            layers.append(Layer(curves[name], curves["dense"].state.float(), 1.0))
    plain = sum(float(layer.weight.square().sum()) for layer in layers)
    whitened = [layer.curve.state.metric.whiten(layer.weight) for layer in layers]
    white = sum(float(weight.square().sum()) for weight in whitened)
    scale = (plain / white) ** 0.5 if white > 0 else 1.0
    return [replace(layer, scale=scale) for layer in layers]


def decompose(layers: Sequence[Layer], ranks: Sequence[Sequence[int]]) -> None:
    """Make what is missing, over the threads."""
    jobs = [(la, r) for la, row in zip(layers, ranks) for r in row if r not in la.made]

    @torch.no_grad()
    def work(job: tuple[Layer, int]) -> tuple[Tensor, ...]:
        layer, rank = job
        return FORMATS[layer.curve.format].sketch(layer.curve.state, layer.tied(rank))

    for (layer, rank), kernels in zip(jobs, parallel_map(work, jobs)):
        layer.made[rank] = kernels


@dataclass(frozen=True)
class Mixture:
    """Copies of the candidates' kernels that a round may change."""

    layers: Sequence[Layer]
    ranks: Sequence[Sequence[int]]
    kernels: list[list[list[Tensor]]]  # per layer and candidate

    @classmethod
    def of(cls, layers: Sequence[Layer], ranks: Sequence[Sequence[int]]) -> Mixture:
        """Fresh copies of what was decomposed."""
        pairs = zip(layers, ranks)
        return cls(
            layers,
            ranks,
            [[[k.clone().requires_grad_() for k in la.made[r]] for r in row] for la, row in pairs],
        )

    @property
    def leaves(self) -> list[Tensor]:
        """All kernels."""
        return [k for layer in self.kernels for made in layer for k in made]

    def residuals(self) -> list[Tensor]:
        """Per layer what each candidate leaves, ``(candidates, numbers)``."""
        return [
            torch.stack([la.residual(r, made) for r, made in zip(row, mine)])
            for la, row, mine in zip(self.layers, self.ranks, self.kernels)
        ]


def gram(residuals: Sequence[Tensor]) -> Tensor:
    """Inner products of each layer's residuals, zero padded: layers x candidates squared."""
    width = max(map(len, residuals))
    grams = torch.zeros(len(residuals), width, width, dtype=torch.float64)
    for table, rows in zip(grams, residuals):
        table[: len(rows), : len(rows)] = (rows @ rows.T).detach()
    return grams


def first_ranks(limit: int) -> tuple[int, list[int]]:
    """The published {10, 20, ..., 100} scaled to a layer: its step, and at most ten multiples."""
    step = max(1, round(limit / COUNT))
    return step, [step * k for k in range(1, COUNT + 1) if step * k <= limit]


def narrower(best: int, step: int, limit: int) -> tuple[int, list[int]]:
    """The next round: a tenth of the step (1 at least), from ``best - step / 2`` to
    ``best + step / 2``."""
    if step == 1:
        return 1, [best]
    finer = max(1, step // COUNT)
    reach = max(1, step // 2 // finer)
    ranks = [best + finer * k for k in range(-reach, reach + 1)]
    return finer, [rank for rank in ranks if 1 <= rank <= limit]
