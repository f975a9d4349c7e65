"""What every process of ``distributed`` does: plan, rebuild, fine-tune; the first one writes.

Arguments: folder, network, budget, number of images.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

import tenfold
from benchmarks.networks.subjects import load_subject
from tenfold.demo.data import Shuffled, read_split
from tenfold.machine.processes import on_first_process, world
from tenfold.training import TuneSettings, tune

SETTINGS = TuneSettings(epochs=1, batchnorm="frozen", reestimate=0)


def work(folder: Path, name: str, budget: str, count: int) -> None:
    """Time each stage; weights in single and in double precision."""
    torch.set_num_threads(1)
    subject = load_subject(name)
    network = subject.model
    plan = tenfold.plan(network, subject.example, budget)
    seconds = {stage: plan.seconds[stage] for stage in ("curves", "measure")}
    began = time.perf_counter()
    built = tenfold.apply(plan, network)
    seconds["rebuild"] = time.perf_counter() - began
    images, labels = (part[:count] for part in read_split("train"))
    on_first_process(lambda: None)  # begin together
    began = time.perf_counter()
    tuned = tune(built, network, Shuffled(images, labels), settings=SETTINGS)
    seconds["fine-tuning"] = time.perf_counter() - began
    exact = tune(
        built.double(), network.double(), Shuffled(images.double(), labels), settings=SETTINGS
    )
    if world().first:
        write(folder, {"single": tuned.model, "double": exact.model}, plan, seconds)


def write(
    folder: Path, models: dict[str, nn.Module], plan: tenfold.Plan, seconds: dict[str, float]
) -> None:
    """Weights and outcome, for the process that started this one."""
    weights = {
        f"{precision}.{key}": value.contiguous()
        for precision, model in models.items()
        for key, value in model.state_dict().items()
    }
    save_file(weights, folder / "weights.safetensors")
    outcome = {"plan": tenfold.plan_to_json(replace(plan, seconds={})), "seconds": seconds}
    (folder / "outcome.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    where, name, budget, count = sys.argv[1:]
    work(Path(where), name, budget, int(count))
