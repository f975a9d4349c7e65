"""Latency: interleaved, pinned, and the models left as they were."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import pytest
import torch

from tenfold.bench import cells_from_json, compare, time_layers
from tenfold.bench.layers import inputs_of
from tenfold.cli import main
from tenfold.machine.timing import interleave
from tenfold.network.inputs import resize
from tests.networks import example, tiny_resnet


def test_runs_take_turns():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    seen = interleave(calls, runs=3, warmup=1)
    assert order == list("ab" * 4)
    assert set(seen) == {"a", "b"}


def test_threads_and_models_are_as_before():
    model, threads = tiny_resnet().train(), torch.get_num_threads()
    found = compare({"a": model, "b": model}, example(), batches=(1, 3), runs=3)
    assert torch.get_num_threads() == threads
    assert model.training
    assert model.down.weight.is_contiguous()
    for timing in (x.timing for cell in found for x in cell.models.values()):
        assert timing.low <= timing.median <= timing.high
        assert timing.median > 0
    assert [(cell.threads, cell.batch) for cell in found] == [(1, 1), (1, 3)]


def test_an_example_is_repeated_to_the_batch():
    x = torch.arange(6.0).reshape(2, 3)
    assert resize(x, 5).tolist() == [*x.tolist(), *x.tolist(), [0, 1, 2]]
    assert resize({"x": (x, 3)}, 1)["x"][0].shape == (1, 3)


def test_a_cell_holds_time_memory_size_and_difference():
    model = tiny_resnet()
    cells = compare({"before": model, "after": model}, example(), batches=(1, 2), runs=3)
    assert [cell.batch for cell in cells] == [1, 2]
    for cell in cells:
        assert cell.ratio() > 0
        for found in cell.models.values():
            assert found.bytes == sum(
                t.numel() * t.element_size() for t in model.state_dict().values()
            )
            assert found.memory is None or found.memory >= 0
            assert found.difference < 1e-5
    assert cells_from_json(json.loads(json.dumps([asdict(cell) for cell in cells]))) == cells


def test_a_cell_ends_early_but_not_too_early():
    seen = interleave({"a": lambda: time.sleep(0.002)}, runs=1000, warmup=0, seconds=0.01)
    assert seen["a"].median >= 2


def test_layers_are_timed_alone_at_their_size():
    model = tiny_resnet()
    assert inputs_of(model, example(), ("down",))["down"].shape == (1, 12, 12, 12)
    found = time_layers({"before": model, "after": model}, example(), ("block.0", "head"))
    assert [x.name for x in found] == ["block.0", "head"]
    assert set(found[0].timings) == {"before", "after"}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["demo", "--batch", "many"], 2, "whole numbers"),
        (["demo", "--batch", "0"], 2, "at least 1"),
        (["demo", "--engine", "abacus"], 2, "engine must be a known name"),
        (["nowhere"], 2, "known form"),
    ],
)
def test_bad_input_is_one_sentence(arguments, code, told, capsys):
    assert main(["bench", *arguments]) == code
    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    assert len(errors) == 1
    assert told in errors[0]


def test_the_command_line_times_a_directory_against_its_original(tmp_path, capsys):
    model = tiny_resnet()
    (tmp_path / "net.py").write_text(
        "from tests.networks import example, tiny_resnet\n"
        "def make():\n    return tiny_resnet(), example()\n"
    )
    source, out = f"{tmp_path}/net.py:make", str(tmp_path / "small")
    assert main(["compress", source, "--budget", "params=0.5", "--out", out]) == 0
    arguments = ["--engine", "eager", "--batch", "1,2", "--runs", "3", "--layers", "--json"]
    assert main(["bench", out, *arguments]) == 0
    found = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert [cell["batch"] for cell in found["cells"]] == [1, 2]
    sizes = {name: x["bytes"] for name, x in found["cells"][0]["models"].items()}
    assert sizes["after"] < sizes["before"]
    names = [x["name"] for x in found["layers"]["eager"]]
    assert names == [
        name
        for name, m in model.named_modules()
        if hasattr(m, "weight") and not isinstance(m, torch.nn.BatchNorm2d)
    ]
