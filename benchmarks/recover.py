"""ResNet-20 on CIFAR-10 (the JPEG copy), compressed without data, then recovered by distillation.

    TENFOLD_DATA=folder python benchmarks/recover.py --times 5.2 --epochs 8
    TENFOLD_DATA=folder python benchmarks/recover.py --device cuda --epochs 150 \
        --times 3.57/4.46/5.2 --seeds 0/1/2

The first is one run; the second is the whole table, with a GPU. Images are kept on the device as
bytes and augmented there: crop from 4 pixels of padding, flip. Settings were chosen on held-out
training images; the run trains on all 50,000 and keeps its last epoch, and the 10,000 test images
are looked at once, to report. An interrupted run goes on where it stopped when the same command
is run again; ``--report`` writes down the runs as they are, those that are cut short as such.

Writes ``results/recover.json`` and each first seed's model to ``results/resnet20_<n>x/``.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import cifar
import tenfold
from tenfold.rebuild import build_structure
from tenfold.report import make_report
from tenfold.saving import read_plan, write_plan
from tenfold.tune import TuneSettings, tune
from tenfold.tune.checkpoint import BEST, FILE, pick, read_state
from tenfold.tune.score import accuracy

RESULTS = Path(__file__).parent / "results"
GOALS = {"3.57": 0.3, "4.46": 0.0, "5.2": -0.3}  # points of accuracy against the original
PUBLISHED = {
    "3.57": "+0.15 (TT, 72 % of parameters and 70 % of FLOPs removed), arXiv 2409.03555",
    "4.46": "-0.43 (CP, 77.6 % and 73 %), arXiv 2409.03555",
    "5.2": "the headline: less than 0.3 lost",
}
BATCH, PAD = 128, 4


@dataclass(frozen=True)
class Augmented:
    """Training batches from bytes on a device, in a new order each epoch."""

    pixels: Tensor  # uint8 (n, 3, 32, 32), padded by PAD on all sides
    labels: Tensor
    batch: int = BATCH

    @classmethod
    def of(cls, pixels: Tensor, labels: Tensor, device: torch.device) -> Augmented:
        """Padded with the mean colour, which is zero after normalisation."""
        grey = (cifar.MEAN * 255).round().to(torch.uint8).to(device)
        height, width = pixels.shape[-2:]
        wide = grey.expand(len(pixels), 3, height + 2 * PAD, width + 2 * PAD).clone()
        wide[..., PAD:-PAD, PAD:-PAD] = pixels.to(device)
        return cls(wide, labels.to(device))

    def __len__(self) -> int:
        return len(self.pixels) // self.batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.pixels))[: len(self) * self.batch]
        for rows in order.to(self.pixels.device).split(self.batch):
            yield cifar.normalise(self.cropped(rows)), self.labels[rows]

    def cropped(self, rows: Tensor) -> Tensor:
        """A random window of each image, mirrored or not."""
        size, device = self.pixels.shape[-1] - 2 * PAD, rows.device
        along = torch.arange(size)
        top, left = torch.randint(0, 2 * PAD + 1, (2, len(rows), 1))
        mirrored = torch.rand(len(rows), 1) < 0.5
        columns = (left + torch.where(mirrored, along.flip(0), along)).to(device)
        down = (top + along).to(device)
        wide = self.pixels[rows].movedim(1, -1)
        picked = wide[torch.arange(len(rows), device=device)[:, None, None],
                      down[:, :, None], columns[:, None, :]]  # fmt: skip
        return picked.movedim(-1, 1)


def settings_for(arguments: argparse.Namespace, seed: int) -> TuneSettings:
    """What held-out training images preferred."""
    return TuneSettings(
        epochs=arguments.epochs, rate=arguments.rate, seed=seed, features=arguments.features,
        precision="auto", channels_last=True, every=120.0,
    )  # fmt: skip


def plan_for(times: str, model: nn.Module) -> tenfold.Plan:
    """The data-free plan at 1/times of the parameters, made once."""
    path = work_folder(times) / "plan.json"
    if not path.exists():
        write_plan(tenfold.plan(model, cifar.example(), {"params": 1 / float(times)}), path)
    return read_plan(path)


def work_folder(times: str) -> Path:
    """Where the plan and the checkpoints of a budget are kept."""
    return RESULTS / "recover.work" / f"{times}x"


def recover(arguments: argparse.Namespace, times: str, seed: int, data: dict[str, Any]) -> None:
    """One run, and its line in a file of its own."""
    target = work_folder(times) / f"seed{seed}-epochs{arguments.epochs}"
    if (target / "row.json").exists():
        return
    device = torch.device(arguments.device)
    original = cifar.resnet20()
    plan = plan_for(times, original)
    factored = tenfold.apply(plan, original)
    test = data["test"]
    settings = settings_for(arguments, seed)
    clock = Stopwatch(target / "seconds.json")
    tuned = tune(
        factored.to(device), original.to(device), data["train"], settings=settings,
        score=latest(), checkpoint=target, progress=clock,
    )  # fmt: skip
    original, model = original.cpu(), tuned.model.cpu()
    history = scored_by_loss(tuned.history)
    row = {
        "times": times, "seed": seed, "epochs": arguments.epochs, "device": told(device),
        "before": accuracy(original, test), "plan_only": accuracy(factored.cpu(), test),
        "after": accuracy(model, test), "seconds": round(clock.seconds, 1),
        "threads": torch.get_num_threads(), "rate": settings.rate,
        "features": settings.features, "history": history,
    }  # fmt: skip
    row["change"] = round(row["after"] - row["before"], 2)
    row |= keep(original, model, plan, times, seed, history)
    (target / "row.json").write_text(json.dumps(row, indent=1) + "\n")
    (target / FILE).unlink()
    (target / BEST).unlink()


def keep(
    original: nn.Module, model: nn.Module, plan: tenfold.Plan, times: str, seed: int,
    history: Sequence[Any], note: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Save the first seed's model, in place of an earlier one; returns what was counted."""
    report = make_report(original, model, cifar.example(), plan, tuple(history))
    folder = RESULTS / f"resnet20_{times}x"
    finished = folder.exists() and not (folder / "cut_short.txt").exists()
    if seed == 0 and not (note and finished):
        extra = {} if note is None else {"cut_short.txt": note + "\n"}
        new = RESULTS / "recover.work" / "new" / folder.name
        shutil.rmtree(new, ignore_errors=True)
        tenfold.save(tenfold.Result(model, plan, report, model), new, extra=extra)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    removed = {c: round(1 - report.after[c] / report.before[c], 4) for c in ("params", "macs")}
    return {"params": report.after["params"], "macs": report.after["macs"], "removed": removed}


def latest() -> Any:
    """A score that rises: the last epoch of a cosine is kept, no image chooses among epochs."""
    count = iter(range(1_000_000))
    return lambda _: float(time.time_ns() // 1_000_000 + next(count))


def scored_by_loss(history: Sequence[Any]) -> list[dict[str, Any]]:
    """Epochs with the training loss in place of the time that ``latest`` puts as a score."""
    return [{**epoch, "score": -epoch["loss"]} for epoch in history]


class Stopwatch:
    """Prints the time left, and adds up seconds over interruptions."""

    def __init__(self, path: Path) -> None:
        self.path, self.began = path, time.monotonic()
        self.before = json.loads(path.read_text()) if path.exists() else 0.0
        self.first: int | None = None

    @property
    def seconds(self) -> float:
        """Of all parts of the run."""
        return self.before + time.monotonic() - self.began

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.first = done if self.first is None else self.first
        if done % 50:
            return
        self.path.write_text(json.dumps(self.seconds))
        pace = (time.monotonic() - self.began) / max(1, done - self.first + 1)
        print(f"{stage} {done}/{total}, {pace * (total - done) / 60:.0f} min left", flush=True)


def told(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"


def cut_short(test: list[Any]) -> list[dict[str, Any]]:
    """The runs that have a checkpoint but no end, judged as they are."""
    rows = []
    for path in sorted((RESULTS / "recover.work").glob(f"*/*/{FILE}")):
        found = read_state(path)
        assert found is not None
        reached, times = found[1]["reached"], path.parent.parent.name.rstrip("x")
        model, plan = cifar.resnet20(), read_plan(path.parent.parent / "plan.json")
        small = build_structure(model, plan)
        small.load_state_dict(pick(found[0], "student."))
        after, before = accuracy(small, test), accuracy(model, test)
        note = f"after {reached['epoch']} epochs and {reached['step']} steps"
        seed, history = found[1]["seed"], scored_by_loss(reached["history"])
        counted = keep(model, small.eval(), plan, times, seed, history, note)
        rows.append({
            "times": times, "seed": seed, "epochs": found[1]["epochs"], "cut_short": note,
            **counted, "steps_an_epoch": found[1]["length"], "rate": found[1]["rate"],
            "before": before, "after": after, "change": round(after - before, 2),
            "history": history,
        })  # fmt: skip
    return rows


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and spread of the change a budget, beside its goal."""
    table = {}
    for times in sorted({row["times"] for row in rows}):
        found = [row["change"] for row in rows if row["times"] == times]
        spread = statistics.stdev(found) if len(found) > 1 else None
        goal = GOALS.get(times)
        table[times] = {
            "mean_change": round(statistics.mean(found), 3), "spread": spread, "runs": len(found),
            "goal": goal, "kept": None if goal is None else statistics.mean(found) >= goal,
            "published": PUBLISHED.get(times),
        }  # fmt: skip
    return table


def write_results(test: list[Any]) -> None:
    """All finished runs and those cut short, in one file."""
    done = sorted((RESULTS / "recover.work").glob("*/*/row.json"))
    rows = [json.loads(path.read_text()) for path in done]
    found = {
        "summary": summarise(rows),
        "runs": rows,
        "cut_short": cut_short(test),
        "torch": torch.__version__,
    }
    (RESULTS / "recover.json").write_text(json.dumps(found, indent=1) + "\n")
    for row in (*rows, *found["cut_short"]):
        print({k: v for k, v in row.items() if k != "history"})
    print(json.dumps(found["summary"], indent=1))


def main() -> None:
    """Run what is asked, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--times", default="5.2", help="budgets, as 3.57/4.46/5.2")
    parser.add_argument("--seeds", default="0", help="as 0/1/2")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument("--features", type=float, default=0.0, help="their weight")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--report", action="store_true", help="train nothing, write the results")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    raw = cifar.read_cifar()
    test = cifar.batches(raw["test_x"], raw["test_y"])
    if not arguments.report:
        device = torch.device(arguments.device)
        train = Augmented.of(raw["train_x"], raw["train_y"], device)
        for seed in arguments.seeds.split("/"):
            for times in arguments.times.split("/"):
                recover(arguments, times, int(seed), {"train": train, "test": test})
    write_results(test)


if __name__ == "__main__":
    main()
