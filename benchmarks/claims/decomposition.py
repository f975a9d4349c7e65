"""CP and Tucker-2 of one convolution's weight, beside tensorly in the same process.

    python -m benchmarks.claims.decomposition [--channels 64 128 256]

The weight is a sum of terms of falling size and noise. tensorly is given iterations until its error
is that of tenfold's final factors, or for ``MOST`` of them; what it took is then a lower bound.
Seconds are the processor's, of one thread. Writes ``decomposition.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.result_files import write_json
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric
from tenfold.layers import describe

KEPT = 0.25  # of the largest useful rank
MOST = 320  # iterations of tensorly
QUICK = {"channels": [16]}


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--channels", type=int, nargs="+", default=[64, 128, 256])
    return read_arguments(parser, argv, QUICK)


def weight_of(channels: int) -> Tensor:
    """``(channels, channels, 3, 3)`` of terms that fall, and noise."""
    torch.manual_seed(0)
    size = torch.arange(1, channels // 2 + 1) ** -0.8
    sides = (torch.randn(n, len(size)) for n in (channels, channels, 3, 3))
    terms = torch.einsum("r,ir,jr,ar,br->ijab", size, *sides) / channels
    return terms + 0.3 * torch.randn_like(terms) / channels**0.5


def ours(weight: Tensor, name: str, ranks: tuple[int, ...]) -> tuple[float, Tensor]:
    """Seconds to the final factors, and the weight that they compose."""
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3)
    site, fmt = describe(layer, "layer"), FORMATS[name]
    began = time.process_time()
    factors = fmt.factors(fmt.analyse(site, weight, Metric()), ranks)
    return time.process_time() - began, fmt.dense(site, ranks, factors)


def theirs(weight: Tensor, name: str, ranks: tuple[int, ...], goal: float) -> dict[str, Any]:
    """Seconds that tensorly takes to the error, doubling its iterations until it is there."""
    import tensorly
    from tensorly.decomposition import parafac, partial_tucker

    tensorly.set_backend("pytorch")
    folded = weight.flatten(2)  # the kernel window as one mode, as tenfold has it

    def cp(iterations: int) -> Tensor:
        return tensorly.cp_to_tensor(
            parafac(folded, ranks[0], n_iter_max=iterations, init="random", tol=0, random_state=0)
        )

    def tucker(iterations: int) -> Tensor:
        pair, _ = partial_tucker(
            folded, [ranks[1], ranks[0]], modes=[0, 1], n_iter_max=iterations, tol=0
        )
        return tensorly.tenalg.multi_mode_dot(pair[0], pair[1], modes=[0, 1])

    run: Callable[[int], Tensor] = cp if name == "cp" else tucker
    iterations, seconds, error = 5, 0.0, 1.0
    while iterations <= MOST and error > 1.001 * goal:
        began = time.process_time()
        error = gap(run(iterations), folded)
        seconds, iterations = time.process_time() - began, 2 * iterations
    return {"seconds": round(seconds, 2), "error": round(error, 5), "iterations": iterations // 2}


def gap(mine: Tensor, goal: Tensor) -> float:
    """Relative squared error."""
    return float((mine.reshape(goal.shape) - goal).square().sum() / goal.square().sum())


def compared(channels: int, name: str) -> dict[str, Any]:
    """Both, at the same ranks."""
    weight = weight_of(channels)
    layer = describe(nn.Conv2d(channels, channels, 3), "layer")
    ranks = tuple(max(1, round(KEPT * limit)) for limit in FORMATS[name].rank_limits(layer))
    seconds, mine = ours(weight, name, ranks)
    error = gap(mine, weight)
    other = theirs(weight, name, ranks, error)
    row = {"ranks": ranks, "seconds": round(seconds, 2), "error": round(error, 5)}
    return {**row, "tensorly": other, "times": round(other["seconds"] / max(seconds, 1e-3), 1)}


def main(argv: Sequence[str] | None = None) -> None:
    """Every size in both formats; print, write."""
    arguments = arguments_of(argv)
    torch.set_num_threads(1)
    results: dict[str, Any] = {
        "command": "python -m benchmarks.claims.decomposition",
        "torch": torch.__version__,
        "rows": {},
    }
    for channels in arguments.channels:
        for name in ("cp", "tucker"):
            row = compared(channels, name)
            print(f"{channels} {name}: {row}", flush=True)
            results["rows"][f"{channels} {name}"] = row
            write_json(arguments.results / "decomposition.json", results)


if __name__ == "__main__":
    main()
