"""Tucker-2: 1x1 to r1 channels, k x k to r2, 1x1 out (Kim et al. 2016); ranks untied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.formats._base import FORMATS, Format
from tenfold.formats._groups import PerGroup
from tenfold.formats._hosvd import leading
from tenfold.formats.metric import Metric
from tenfold.values import Link, Real, Site

SWEEPS = 10  # HOOI converges in a handful
STALL = 3e-6  # share of the weight's energy that a sweep must gain for another one to follow
MARGIN = 2  # times the rank: how many HOSVD vectors the best bases are sought among


@dataclass(frozen=True)
class State:
    """The HOSVD of the whitened weight: bases of both channel modes, the core in them, and its
    energy table: ``kept[i, j]`` is the share kept by the leading i input and j output vectors."""

    core: Tensor  # (in, out, window)
    inputs: Tensor  # (in, in)
    outputs: Tensor  # (out, out)
    kept: Tensor  # (in + 1, out + 1), float64
    shape: torch.Size
    metric: Metric


class Tucker(Format):
    """HOSVD gives the bound at every pair of ranks at once; HOOI improves the chosen one."""

    name = "tucker"
    error_is = "bound"

    def refuses(self, site: Site) -> str | None:
        """Without a window the core is a matrix, and one factor too many."""
        if site.window == 1:
            return "Tucker-2 needs a spatial kernel; without one it is an SVD with a layer more"
        return None

    def rank_limits(self, site: Site) -> tuple[int, ...]:
        """The ranks of the two channel unfoldings."""
        return (site.in_channels, site.out_channels)

    def chain(self, site: Site, ranks: Sequence[Real]) -> tuple[Link, ...]:
        """``in -> r1``, ``k x k`` from r1 to r2, ``r2 -> out``."""
        r1, r2 = ranks
        return (
            Link(site.in_channels, r1),
            Link(r1, r2, site.axes),
            Link(r2, site.out_channels),
        )

    def analyse(self, site: Site, weight: Tensor, metric: Metric) -> State:
        """HOSVD of the channel modes (De Lathauwer et al. 2000) and the energy of every corner of
        the core, from which the error of any two ranks is read."""
        white = metric.whiten(weight)
        white = white.flatten(2) if weight.ndim > 2 else white
        (outputs, _), (inputs, _) = leading(white, 0), leading(white, 1)
        core = rotated(white, outputs, 0)
        core = rotated(core, inputs, 1).transpose(0, 1)
        energy = core.double().square().sum(2).cumsum(0).cumsum(1)
        kept = F.pad(energy / energy[-1, -1].clamp_min(1e-300), (1, 0, 1, 0))
        return State(core, inputs, outputs, kept, weight.shape, metric)

    def errors(self, state: State, ranks: Tensor) -> Tensor:
        """What HOSVD loses at these ranks; HOOI loses no more."""
        return (1 - state.kept[ranks[:, 0], ranks[:, 1]]).clamp_min(0)

    def factors(self, state: State, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """``(r1, in, 1, 1)``, the core ``(r2, r1, *kernel)``, ``(out, r2, 1, 1)``, after HOOI."""
        inputs, outputs, core = hooi(state, *ranks)
        ones = [1] * (len(state.shape) - 2)
        first = state.metric.lift_input(inputs.T)
        last = state.metric.lift_output(outputs)
        return (
            first.reshape(*first.shape, *ones),
            core.transpose(0, 1).unflatten(2, state.shape[2:]),
            last.reshape(*last.shape, *ones),
        )


def rotated(tensor: Tensor, basis: Tensor, mode: int) -> Tensor:
    """A tensor with a mode in the coordinates of an orthonormal basis, ``basis.T`` times it."""
    return torch.tensordot(basis, tensor, dims=([0], [mode])).movedim(0, mode)


def hooi(state: State, r1: int, r2: int) -> tuple[Tensor, Tensor, Tensor]:
    """Bases ``(in, r1)`` and ``(out, r2)`` and the core ``(r1, r2, window)`` by alternation (De
    Lathauwer et al. 2000), first among the leading HOSVD vectors and then among all; never worse
    than the HOSVD."""
    energy = float(state.core.square().sum())
    small = state.core[: MARGIN * r1, : MARGIN * r2].contiguous()
    start = torch.eye(len(small), r1).to(small), torch.eye(small.shape[1], r2).to(small)
    inputs, outputs, core = alternate(small, *start, energy)
    if small.shape != state.core.shape:
        rows = state.core.shape[0] - len(small), state.core.shape[1] - small.shape[1]
        inputs, outputs = (F.pad(x, (0, 0, 0, more)) for x, more in zip((inputs, outputs), rows))
        inputs, outputs, core = alternate(state.core, inputs, outputs, energy)
    return state.inputs @ inputs, state.outputs @ outputs, core


def alternate(
    tensor: Tensor, inputs: Tensor, outputs: Tensor, energy: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Better bases from these, each by a step of orthogonal iteration, which never loses energy,
    until a sweep gains little; with the core in them."""
    other = 0.0
    for _ in range(SWEEPS):
        half = rotated(tensor, outputs, 1)
        inputs = turned(half.flatten(1), inputs)
        half = rotated(tensor, inputs, 0)
        outputs = turned(half.transpose(0, 1).flatten(1), outputs)
        core = rotated(half, outputs, 1)
        gained = float(core.square().sum())
        if gained - other <= STALL * energy:
            break
        other = gained
    return inputs, outputs, core


def turned(unfolded: Tensor, basis: Tensor) -> Tensor:
    """An orthonormal basis nearer to the leading left singular vectors."""
    return torch.linalg.qr(unfolded @ (unfolded.T @ basis)).Q


FORMATS.add("tucker", PerGroup(Tucker()))
