"""What each process of ``test_distributed`` runs; alone it is the reference."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import accelerate
import torch
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from safetensors.torch import save_file
from torch.utils.data import DataLoader, TensorDataset

import tenfold
from tenfold.training import tune
from tests.made_inputs import few_made
from tests.networks import example
from tests.tuning import SETTINGS, Images, make_pair

FROZEN = replace(SETTINGS, batchnorm="frozen", ema=0.9)


def fine_tune(data, settings, folder=None):
    teacher, student = make_pair()
    held = [(Images(teacher).images[:9], Images(teacher).labels[:9])]
    return tune(student, teacher, data, settings=settings, validation=held, checkpoint=folder)


def fine_tune_double():
    """Longer, in a precision that leaves rounding no room."""
    teacher, student = make_pair()
    data = Images(teacher)
    rows = list(zip(data.images.double().split(8), data.labels.split(8)))
    return tune(student.double(), teacher.double(), rows, settings=replace(FROZEN, epochs=10))


def uneven_batches(data):
    """Of eight inputs, the last of one; some labels do not count."""
    labels = data.labels[:41].where(torch.arange(41) % 3 > 0, -100)
    return DataLoader(TensorDataset(data.images[:41], labels), batch_size=8, shuffle=True)


def everything(folder):
    """A plan, five trained models; what they come to."""
    teacher, _ = make_pair()
    plan = tenfold.plan(teacher, example(), "params=0.4", formats=["svd", "tucker"])
    data = Images(teacher)
    rows = DataLoader(TensorDataset(data.images, data.labels), batch_size=8, shuffle=True)
    tuned = {
        "split": fine_tune(data, FROZEN, folder / "checkpoint"),
        "uneven": fine_tune(list(data.images.split(9)), FROZEN),
        "sharded": fine_tune(rows, replace(FROZEN, accumulate=2)),
        "double": fine_tune_double(),
        "remainder": fine_tune(uneven_batches(data), FROZEN),
    }
    weights = {
        f"{name}.{key}": value
        for name, found in tuned.items()
        for key, value in found.model.state_dict().items()
    }
    histories = {name: found.history for name, found in tuned.items()}
    told = tenfold.plan_to_json(replace(plan, seconds={}))
    return told, weights, histories


def spreading(**asked):
    """Accelerate as it is on several GPUs when told to use FSDP2, which it leaves out on CPUs."""
    accelerator = accelerate.Accelerator(**asked)
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        cpu_ram_efficient_loading=True,
        auto_wrap_policy="SIZE_BASED_WRAP",
        min_num_params=50,
    )
    return accelerator


def fully_sharded(folder):
    """Parameters spread over the processes; trained, then taken up from disk."""
    teacher, _ = make_pair()
    found = {}
    with (
        mock.patch.dict(AcceleratorState._shared_state),
        mock.patch(
            "tenfold.training.workers.accelerate", return_value=mock.Mock(Accelerator=spreading)
        ),
    ):
        for name in ("fsdp", "fsdp again"):
            tuned = fine_tune(Images(teacher), FROZEN, folder / "sharded")
            found.update({f"{name}.{k}": v for k, v in tuned.model.state_dict().items()})
    return found


def main(folder):
    torch.set_num_threads(1)
    rank = os.environ.get("RANK", "alone")
    plan, weights, histories = everything(folder)
    weights |= fully_sharded(folder)
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / f"{rank}.safetensors")
    (folder / f"{rank}.json").write_text(json.dumps({"plan": plan, "histories": histories}))


if __name__ == "__main__":
    with few_made():  # as the reference has them
        main(Path(sys.argv[1]))
