"""Forward and backward of depthwise convolutions in bf16 and fp32 on one thread of a CPU.

    python benchmarks/depthwise.py

Shows where bf16 gradients fall back to slow kernels, and ``tenfold.training.slow_kernels``
is the answer.
Writes ``results/depthwise.json``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.machine.interleave import interleave
from written import RESULTS, write_json

TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
CASES = {  # kernel, stride, dilation
    "3x3": ((3, 3), 1, 1),
    "3x3, stride 2": ((3, 3), 2, 1),
    "3x1, stride 2x1": ((3, 1), (2, 1), 1),
    "5x5": ((5, 5), 1, 1),
    "5x5, stride 2": ((5, 5), 2, 1),
    "3x3, dilation 2": ((3, 3), 1, 2),
}
BATCH, CHANNELS, SIZE = 64, 64, 16


def work(case: tuple, dtype: torch.dtype) -> Callable[[], None]:
    """One forward and backward pass."""
    kernel, stride, dilation = case
    inputs = torch.randn(BATCH, CHANNELS, SIZE, SIZE, dtype=dtype)
    inputs = inputs.contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(CHANNELS, 1, *kernel, dtype=dtype, requires_grad=True)
    padding = tuple(k // 2 * dilation for k in kernel)

    def run() -> None:
        output: Tensor = F.conv2d(inputs, weight, None, stride, padding, dilation, groups=CHANNELS)
        output.backward(output.detach())

    return run


def main() -> None:
    """Interleaved, printed, written."""
    torch.set_num_threads(1)
    found = {}
    for name, case in CASES.items():
        calls = {kind: work(case, dtype) for kind, dtype in TYPES.items()}
        times = interleave(calls, runs=20, warmup=3)
        found[name] = {kind: round(timing.busy, 2) for kind, timing in times.items()}
        print(name, found[name], f"fp32 is {found[name]['bf16'] / found[name]['fp32']:.1f}x faster")
    told = {"milliseconds": found, "batch": BATCH, "torch": torch.__version__}
    write_json(RESULTS / "depthwise.json", told)


if __name__ == "__main__":
    main()
