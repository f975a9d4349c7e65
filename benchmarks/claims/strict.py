"""No budget is ever exceeded: random networks under random limits, several at once.

    python -m benchmarks.claims.strict [--count 10000] [--first 0]

A network of ``benchmarks/networks/drawn.py`` and one to three limits a seed, in plain Frobenius,
and sensed by default in one of ``--sensed`` (20). Counted anew, as a stranger would: parameters and
bytes from the module, MACs by the report. A budget that cannot be met must be refused in one
sentence. Writes ``strict.json``: how many were met, refused, over a limit, not finite, or left the
caller's network changed; each of the last three is listed with its seed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.drawn import draw_network
from benchmarks.result_files import write_json
from tenfold.errors import BudgetError, InputError
from tenfold.network.call import run
from tenfold.survey.stage import survey

COSTS = ("params", "macs", "bytes")
GOOD = ("met", "refused")
QUICK = {"first": 1, "count": 4}


def draw_budget(seed: int) -> dict[str, float]:
    """One to three limits, each a share of what the network takes."""
    random = Random(-seed - 1)
    costs = random.sample(COSTS, random.choice((1, 1, 2, 3)))
    return {cost: round(random.uniform(0.1, 1.0), 3) for cost in costs}


def attempt(seed: int, sensed: bool) -> str:
    """What came of one seed."""
    model, example = draw_network(seed)
    budget = draw_budget(seed)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    asked: dict[str, Any] = {} if sensed else {"metric": "frobenius"}
    try:
        totals = {**held_by(model), "macs": survey(model, example).totals["macs"]}
        result = tenfold.compress(model, example, budget, seed=seed, **asked)
    except (BudgetError, InputError) as error:
        return "refused" if str(error).endswith(".") else f"no sentence: {error}"
    if not unchanged(model, before):
        return "changed"
    costs = {**held_by(result.model), "macs": result.report.after["macs"]}
    over = [cost for cost, share in budget.items() if costs[cost] > share * totals[cost] + 1e-6]
    if over:
        return f"over in {', '.join(over)}"
    return "met" if bool(run(result.model, example).isfinite().all()) else "not finite"


def held_by(model: nn.Module) -> dict[str, float]:
    """Parameters and bytes, each tensor once."""
    held = [*model.parameters(), *model.buffers()]
    return {
        "params": sum(p.numel() for p in model.parameters()),
        "bytes": sum(x.numel() * x.element_size() for x in held),
    }


def unchanged(model: nn.Module, before: Mapping[str, Tensor]) -> bool:
    """Whether the caller's network holds the same bits under the same names."""
    after = model.state_dict()
    return list(after) == list(before) and all(torch.equal(after[n], x) for n, x in before.items())


def tried(seed: int, sensed: bool) -> str:
    """The same, whatever else is raised."""
    try:
        return attempt(seed, sensed)
    except Exception as error:  # to be counted and listed, not to end the run
        return f"{type(error).__name__}: {error}"[:200]


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--sensed", type=int, default=20, help="one in so many is sensed")
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print what is wrong as it is found, write."""
    arguments = arguments_of(argv)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    counts: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    began = time.process_time()
    for seed in range(arguments.first, arguments.first + arguments.count):
        found = tried(seed, seed % arguments.sensed == 0)
        counts[found if found in GOOD else "wrong"] += 1
        if found not in GOOD:
            wrong.append({"seed": seed, "found": found})
            print(seed, found, flush=True)
        if (seed + 1) % 100 == 0:
            print(seed + 1, dict(counts), flush=True)
    result = {
        "command": f"python -m benchmarks.claims.strict --count {arguments.count}",
        "counts": dict(counts),
        "wrong": wrong,
        "seconds": round(time.process_time() - began, 1),
        "torch": torch.__version__,
    }
    print(result["counts"])
    write_json(arguments.results / "strict.json", result)


if __name__ == "__main__":
    main()
