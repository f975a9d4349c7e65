"""What ``test_stream`` runs in a process of its own: killed twice, and its memory measured."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

import tenfold
from tenfold.bench.memory import peak_growth

BUDGET, SHARD = "params=0.5", "1kB"
QUICK = {"method": "uniform"}


def killed_at(stage, count):
    """A progress that ends its process as kill -9 does."""

    def progress(at, done, total):
        if (at, done) == (stage, count):
            os.kill(os.getpid(), signal.SIGKILL)

    return progress


def in_a_child(work):
    """How a process ends that does some work: its signal, or 0."""
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def say(number):
    sys.stdout.write(f"{number}\n")


def main(small, large, out):
    torch.set_num_threads(1)
    for stage, count in (("spectra", 2), ("shards", 1)):
        progress = killed_at(stage, count)
        ended = in_a_child(
            lambda progress=progress: tenfold.compress_checkpoint(
                small, BUDGET, out, shard=SHARD, progress=progress, **QUICK
            )
        )
        assert ended == signal.SIGKILL
        unfinished = out.with_name(f"{out.name}.unfinished")
        say(len(list(unfinished.glob("spectra/*.safetensors"))))

    def compress(folder, name):
        tenfold.compress_checkpoint(folder, BUDGET, out.with_name(name), shard="4MB", **QUICK)

    compress(small, "warm")  # what libraries take once is not the checkpoint's
    say(peak_growth(lambda: lambda: compress(large, "large")))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
