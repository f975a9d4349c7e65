"""Tucker-2: 1x1 to r1 channels, k x k to r2, 1x1 out (Kim et al. 2016); ranks untied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tenfold.formats._base import FORMATS, Format
from tenfold.formats._groups import PerGroup
from tenfold.formats.metric import Metric
from tenfold.values import Link, Real, Site

SWEEPS = 10  # HOOI converges in a handful


@dataclass(frozen=True)
class State:
    """The whitened weight, the HOSVD bases of both channel modes and the core's energy table:
    ``kept[i, j]`` is the share kept by the leading i input and j output vectors."""

    white: Tensor  # (out, in, window)
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
        white = metric.whiten(weight).flatten(2) if weight.ndim > 2 else metric.whiten(weight)
        outputs, inputs = _basis(white, 0), _basis(white, 1)
        core = torch.einsum("oiw,or,is->srw", white, outputs, inputs)
        energy = core.double().square().sum(2).cumsum(0).cumsum(1)
        kept = torch.nn.functional.pad(energy / energy[-1, -1].clamp_min(1e-300), (1, 0, 1, 0))
        return State(white, inputs, outputs, kept, weight.shape, metric)

    def errors(self, state: State, ranks: Tensor) -> Tensor:
        """What HOSVD loses at these ranks; HOOI loses no more."""
        return (1 - state.kept[ranks[:, 0], ranks[:, 1]]).clamp_min(0)

    def factors(self, state: State, ranks: Sequence[int]) -> tuple[Tensor, ...]:
        """``(r1, in, 1, 1)``, the core ``(r2, r1, *kernel)``, ``(out, r2, 1, 1)``, after HOOI."""
        inputs, outputs = _hooi(state, *ranks)
        core = torch.einsum("oiw,or,is->rsw", state.white, outputs, inputs)
        ones = [1] * (len(state.shape) - 2)
        first = state.metric.lift_input(inputs.T)
        last = state.metric.lift_output(outputs)
        return (
            first.reshape(*first.shape, *ones),
            core.unflatten(2, state.shape[2:]),
            last.reshape(*last.shape, *ones),
        )


def _basis(white: Tensor, mode: int) -> Tensor:
    """All left singular vectors of a mode unfolding, strongest first (square, ``(n, n)``)."""
    unfolded = white.movedim(mode, 0).flatten(1).double()
    return torch.linalg.eigh(unfolded @ unfolded.T).eigenvectors.flip(1).to(white)


def _hooi(state: State, r1: int, r2: int) -> tuple[Tensor, Tensor]:
    """Alternating best bases (De Lathauwer et al. 2000), from the HOSVD; never worse than it."""
    inputs, outputs = state.inputs[:, :r1], state.outputs[:, :r2]
    for _ in range(SWEEPS):
        outputs = _basis(torch.einsum("oiw,is->osw", state.white, inputs), 0)[:, :r2]
        inputs = _basis(torch.einsum("oiw,or->riw", state.white, outputs), 1)[:, :r1]
    return inputs, outputs


FORMATS.add("tucker", PerGroup(Tucker()))
