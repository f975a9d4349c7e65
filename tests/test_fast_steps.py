"""What makes training steps on a CPU faster changes neither the model nor, later, the process."""

from __future__ import annotations

import copy
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

from tenfold.training.slow_kernels import is_slow, sparing_slow_kernels


def depthwise(**changes):
    return nn.Conv2d(
        **{
            "in_channels": 6,
            "out_channels": 6,
            "kernel_size": 3,
            "groups": 6,
            "padding": 1,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("layer", "slow"),
    [
        (depthwise(), False),
        (depthwise(stride=2), True),
        (depthwise(stride=(1, 2)), True),
        (depthwise(kernel_size=5), True),
        (depthwise(dilation=2), True),
        (depthwise(stride=2, groups=2), False),
        (depthwise(stride=2, groups=1), False),
        (nn.Conv1d(6, 6, 3, 2, groups=6), False),
        (nn.Linear(6, 6), False),
    ],
)
def test_slow_ones_are_known(layer, slow):
    assert is_slow(layer) == slow


def test_they_compute_in_fp32_under_autocast():
    layer, inputs = depthwise(stride=2), torch.randn(2, 6, 8, 8).bfloat16()
    expected = layer(inputs.float()).bfloat16()
    with sparing_slow_kernels(layer), torch.autocast("cpu", torch.bfloat16):
        found = layer(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert not torch.equal(layer(inputs), expected)  # outside of the block bf16 it is
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)
    found.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32


def test_without_autocast_nothing_changes():
    layer = depthwise(stride=2).double()
    inputs = torch.randn(2, 6, 8, 8, dtype=torch.float64)
    expected = layer(inputs)
    with sparing_slow_kernels(layer):
        assert torch.equal(layer(inputs), expected)


def test_a_copy_calls_its_own_weights_and_layers_end_as_they_were():
    model = nn.Sequential(depthwise(stride=2), nn.ReLU())
    inputs = torch.randn(2, 6, 8, 8)
    with sparing_slow_kernels(model):
        copied = copy.deepcopy(model)
        nn.init.zeros_(copied[0].weight)
        nn.init.zeros_(copied[0].bias)
        assert not bool(copied(inputs).any())
    assert "forward" not in vars(model[0])


def test_a_forward_of_the_users_own_is_left_alone():
    layer = depthwise(stride=2)
    layer.forward = mine = lambda x: x
    with sparing_slow_kernels(layer):
        assert layer.forward is mine
    assert layer.forward is mine


KEPT = """
import torch
from tenfold.bench.memory import resident
from tenfold.machine.memory import keeping_memory
size = 24 << 20
before = resident("VmRSS")
with keeping_memory():
    torch.ones(size // 4)
    assert resident("VmRSS") - before > 0.8 * size, "it was given back inside"
assert resident("VmRSS") - before < 0.5 * size, "it was kept after"
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept_inside_and_given_back_after():
    """In a process of its own: one that has run other tests may have the memory at hand already."""
    ended = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True)
    assert not ended.returncode, ended.stderr
