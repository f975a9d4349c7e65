"""Real files, which tenfold writes of a tiny network: what is damaged afterwards."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

import tenfold
from benchmarks.networks.tiny import example, tiny
from tenfold.cli.recipe import assemble, write_recipe
from tenfold.latency.unit import units_of
from tenfold.report import Quality
from tenfold.store.sweep_folder import write_sweep
from tenfold.survey.stage import survey
from tenfold.values import Mean

BUDGET = "params=0.6,macs=0.8"
ASKED: dict[str, Any] = {"metric": "frobenius", "method": "uniform"}
STREAM: dict[str, Any] = {"budget": "params=0.6", "method": "uniform", "shard": "1kB"}
RECIPE = {
    "source": "net.py:make",
    "weights": "net.safetensors",
    "example": "1x3x8x8",
    "budget": {"params": 0.5, "macs": "60%"},
    "data": "net.py:loader",
    "threads": 2,
    "out": "small",
    "formats": ["svd", "tucker"],
    "exclude": ["head*"],
    "round_to": 8,
    "task": "classes:1",
    "epochs": 3,
    "rate": 0.001,
    "tuning": {"precision": "bf16", "ema": 0.99, "losses": "relations:0.5,features:2"},
}


class Interrupt(Exception):
    """Ends a run where it is."""


def write_all(folder: Path) -> None:
    """A folder a kind."""
    model = tiny()
    result = tenfold.compress(model, example(), BUDGET, data=batches(), epochs=1, **ASKED)
    judged = Quality("top-1", "%", "test", Mean(90.0, 32, 1.0), Mean(88.0, 32, 1.0))
    result = replace(result, report=replace(result.report, quality=(judged,), command="tenfold x"))
    recipe = {"recipe.yaml": write_recipe(assemble(RECIPE))}
    tenfold.save(result, folder / "saved", extra=recipe)
    write_table(model, folder / "table")
    write_weights(model, folder)
    write_front(model, folder / "sweep")
    write_stream(folder / "stream")


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Noise with labels."""
    random = torch.Generator().manual_seed(0)
    return [(torch.randn(8, 3, 8, 8, generator=random), torch.arange(8))]


def write_table(model: nn.Module, folder: Path) -> None:
    """What ``measure_table.py`` writes, with made times."""
    folder.mkdir()
    surveyed = survey(model, example())
    keys = [unit.key for site in surveyed.sites for unit in units_of(site)]
    table = {
        "tenfold_latency": 1,
        "engine": "onnxruntime",
        "threads": 1,
        "network": {name: surveyed.totals[name] for name in ("params", "macs")},
        "whole": 1.5,
        "times": dict.fromkeys(keys, 0.25),
        "conditions": {"machine": "aarch64", "version": "1.20"},
    }
    (folder / "table.json").write_text(json.dumps(table, indent=1))


def write_weights(model: nn.Module, folder: Path) -> None:
    """The weights as people keep them: safetensors, shards, and files of torch.save."""
    state = {name: x.clone() for name, x in model.state_dict().items()}
    for name in ("safetensors", "shards", "pickle"):
        (folder / name).mkdir()
    save_file(state, folder / "safetensors" / "net.safetensors", {"format": "pt"})
    names = sorted(state)
    places = {name: f"model-0000{1 + k % 2}-of-00002.safetensors" for k, name in enumerate(names)}
    for file in set(places.values()):
        save_file({n: state[n] for n in names if places[n] == file}, folder / "shards" / file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "shards" / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))
    trained = {"epoch": 3, "args": {"rate": 0.1}, "state_dict": state}
    pickles = folder / "pickle"
    torch.save(state, pickles / "net.pth")
    torch.save(trained, pickles / "net.bin")
    torch.save(trained, pickles / "old.pt", _use_new_zipfile_serialization=False)


def write_front(model: nn.Module, folder: Path) -> None:
    """A sweep of two points."""
    folder.mkdir()
    swept = tenfold.sweep(model, example(), ["0.8", "0.6"], **ASKED)
    write_sweep(swept, folder, {"source": "net.py:make", "cost": "params"})


def write_stream(folder: Path) -> None:
    """A checkpoint with moments, and the work of a run that was stopped in its second pass."""
    source = folder / "source"
    source.mkdir(parents=True)
    random = torch.Generator().manual_seed(0)
    shapes = {"a.weight": (16, 12), "a.bias": (16,), "b.weight": (12, 16), "norm.weight": (12,)}
    state = {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}
    save_file(state, source / "model.safetensors")
    moments = {name: torch.eye(state[name].shape[1]) for name in ("a.weight", "b.weight")}
    save_file(moments, folder / "moments.safetensors")
    with suppress(Interrupt):
        compress_stream(folder, stop)


def compress_stream(folder: Path, progress: Any = None) -> None:
    """Go on with the work, or begin it."""
    more = {"progress": progress} if progress else {}
    moments, out = folder / "moments.safetensors", folder / "out"
    tenfold.compress_checkpoint(folder / "source", out=out, moments=moments, **STREAM, **more)


def stop(stage: str, done: int, total: int) -> None:
    """At the first shard of the output."""
    if (stage, done) == ("shards", 1):
        raise Interrupt
