"""What lies beside the shards: index, plan, singular values, a card, and files carried along."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from tenfold.costs import COSTS
from tenfold.report.recount import check_agreement
from tenfold.store.card import CARD, FRONT, became, costs, say_budget
from tenfold.store.folder import PAGE, PLAN, REPORT, SHARDED
from tenfold.store.plan_file import plan_to_json
from tenfold.stream.read_checkpoint import Checkpoint, entries_of
from tenfold.stream.shards import Shard, totals_of
from tenfold.stream.work_folder import Work, put, write_whole
from tenfold.values import Plan

SPECTRA = "spectra.safetensors"
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".onnx", ".gguf")
HEAD = """A checkpoint compressed by [tenfold](https://tenfold.example), tensor by tensor: matrices
are factored into two smaller ones, under a budget that is never exceeded. Counted again in the
files:

"""
OPEN = """
Nothing was run: the network was not built, and what it computes now was not measured.
`plan.json` has the rank of every layer, `{spectra}` the squared singular values.
`tenfold.load_pretrained("{name}")` opens a network of transformers, and
`tenfold.load("{name}", architecture)` any other, where it fits in memory.
"""


def write_rest(
    checkpoint: Checkpoint,
    plan: Plan,
    shards: Sequence[Shard],
    spectra: Mapping[str, Tensor],
    work: Work,
    name: str,
) -> None:
    """Raises PlanError when the files hold another number than was planned."""
    after = recount(shards, work.out)
    check_agreement(plan, after)
    if len(shards) > 1:
        put(work.out / SHARDED, index_of(shards))
    put(work.out / PLAN, plan_to_json(plan))
    write_whole(work.out / SPECTRA, lambda part: save_file(dict(spectra), part))
    card = FRONT.format(name=name) + HEAD + "\n".join(lines_of(plan, after))
    card += "\n" + OPEN.format(name=name, spectra=SPECTRA)
    write_whole(work.out / CARD, lambda part: part.write_text(card, "utf-8"))
    for file in carried(checkpoint.folder):
        write_whole(work.out / file.name, partial(shutil.copyfile, file))


def recount(shards: Sequence[Shard], folder: Path) -> dict[str, float]:
    """Parameters and bytes that the written files say they hold."""
    entries = [entry for shard in shards for entry in entries_of(folder / shard.name)]
    return {
        "params": float(sum(entry.numel for entry in entries)),
        "bytes": float(sum(entry.bytes for entry in entries)),
    }


def index_of(shards: Sequence[Shard]) -> dict[str, object]:
    """Which file holds which tensor, as transformers reads it."""
    total = int(totals_of(shards)["bytes"])
    places = {tensor.name: shard.name for shard in shards for tensor in shard.made}
    return {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}


def lines_of(plan: Plan, after: Mapping[str, float]) -> Iterator[str]:
    """The costs, the limits, and what the layers became."""
    yield from costs(plan.before, after)
    yield ""
    for limit in plan.budget:
        yield f"- Budget: {say_budget(limit)}, at most {COSTS[limit.cost].say(limit.value)}."
    weighed = "weighed by moments of the inputs" if plan.origin != "frobenius" else "unweighed"
    yield f"- Layers: {became(plan)}; errors {weighed}; method {plan.method}."
    yield f"- Left alone: {len(plan.refusals)} parts, named in `{PLAN}` with size and reason."


def carried(folder: Path) -> list[Path]:
    """Configuration, tokenizer and the like: every file of the folder that holds no weights and
    takes no name of the output."""
    files = (file for file in sorted(folder.iterdir()) if file.is_file())
    own = (CARD, PLAN, REPORT, PAGE)
    return [
        file
        for file in files
        if file.suffix not in WEIGHTS
        and file.name not in own
        and not file.name.endswith(".index.json")
        and not file.name.startswith(".")
    ]
