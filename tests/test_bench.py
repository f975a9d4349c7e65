"""Latency: interleaved, pinned, and the models left as they were."""

from __future__ import annotations

import pytest
import torch

from tenfold.bench import compare_latency
from tenfold.bench.latency import interleave, tile
from tenfold.errors import InputError
from tests.networks import example, tiny_resnet


def test_runs_take_turns():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    seen = interleave(calls, runs=3, warmup=1)
    assert order == list("ab" * 4)
    assert set(seen) == {"a", "b"}


def test_threads_and_models_are_as_before():
    model, threads = tiny_resnet().train(), torch.get_num_threads()
    found = compare_latency({"a": model, "b": model}, example(), batches=(1, 3), runs=3)
    assert torch.get_num_threads() == threads
    assert model.training
    assert model.down.weight.is_contiguous()
    for timings in found.timings.values():
        assert all(t.low <= t.median <= t.high and t.median > 0 for t in timings.values())
    assert (found.threads, set(found.timings)) == (1, {1, 3})


def test_an_example_is_repeated_to_the_batch():
    x = torch.arange(6.0).reshape(2, 3)
    assert tile(x, 5, torch.contiguous_format).tolist() == [*x.tolist(), *x.tolist(), [0, 1, 2]]
    assert tile({"x": (x, 3)}, 1, torch.contiguous_format)["x"][0].shape == (1, 3)


def test_an_unknown_memory_format_is_told():
    with pytest.raises(InputError, match="contiguous"):
        compare_latency({}, example(), memory_format="sideways")
