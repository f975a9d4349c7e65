"""Forward and backward of depthwise convolutions in bf16 and fp32 on one thread of a CPU.

    python -m benchmarks.claims.depthwise

Shows where bf16 gradients fall back to slow kernels; ``tenfold.training.slow_kernels`` is the
answer. Writes ``depthwise.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.result_files import write_json
from tenfold.machine.timing import interleave

TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
CASES = {  # kernel, stride, dilation
    "3x3": ((3, 3), 1, 1),
    "3x3, stride 2": ((3, 3), 2, 1),
    "3x1, stride 2x1": ((3, 1), (2, 1), 1),
    "5x5": ((5, 5), 1, 1),
    "5x5, stride 2": ((5, 5), 2, 1),
    "3x3, dilation 2": ((3, 3), 1, 2),
}
SIZE = 16  # pixels
QUICK = {"batch": 2, "channels": 4, "runs": 2}


def pass_of(case: tuple, dtype: torch.dtype, batch: int, channels: int) -> Callable[[], None]:
    """One forward and backward pass, to be called many times."""
    kernel, stride, dilation = case
    inputs = torch.randn(batch, channels, SIZE, SIZE, dtype=dtype)
    inputs = inputs.contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(channels, 1, *kernel, dtype=dtype, requires_grad=True)
    padding = tuple(k // 2 * dilation for k in kernel)

    def run() -> None:
        output: Tensor = F.conv2d(inputs, weight, None, stride, padding, dilation, groups=channels)
        output.backward(output.detach())

    return run


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--runs", type=int, default=20)
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Interleave, print, write."""
    arguments = arguments_of(argv)
    torch.set_num_threads(1)
    milliseconds = {}
    for name, case in CASES.items():
        passes = {
            kind: pass_of(case, dtype, arguments.batch, arguments.channels)
            for kind, dtype in TYPES.items()
        }
        timings = interleave(passes, runs=arguments.runs, warmup=3)
        times = {kind: round(timing.busy, 2) for kind, timing in timings.items()}
        ratio = timings["bf16"].busy / timings["fp32"].busy
        print(name, times, f"fp32 is {ratio:.1f}x faster")
        milliseconds[name] = times
    result = {"milliseconds": milliseconds, "batch": arguments.batch, "torch": torch.__version__}
    write_json(arguments.results / "depthwise.json", result)


if __name__ == "__main__":
    main()
