"""Checkpoint, Skeleton -> Survey: which matrices can be factored, and why the rest stays."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch

from tenfold.errors import bad_value
from tenfold.stream.read_checkpoint import Checkpoint, Entry
from tenfold.stream.skeleton import Skeleton
from tenfold.survey.checks import check_patterns, say_reasons
from tenfold.survey.name_the_rest import FEW, Part, joined
from tenfold.survey.reasons import reason_unwanted
from tenfold.survey.stage import dense_cost
from tenfold.values import Refusal, Site, Survey

FACTORED = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
COSTS = ("params", "bytes")  # what can be told without running a network
WEIGHT, BIAS = ".weight", ".bias"


@dataclass(frozen=True)
class Wanted:
    """Which layers may be factored: shell patterns on their names, and, where there are moments,
    the names of the weights that have one."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    moments: Collection[str] | None = None

    def refuses(self, layer: str) -> str | None:
        """The sentence that says why a layer was not asked for, or None."""
        unwanted = reason_unwanted([layer], self.include, self.exclude)
        if unwanted is not None:
            return unwanted
        if self.moments is not None and layer + WEIGHT not in self.moments:
            return "there is no moment of its inputs"
        return None


def survey_checkpoint(checkpoint: Checkpoint, skeleton: Skeleton, wanted: Wanted) -> Survey:
    """The sites, all other tensors with the reason and their size, and the totals in parameters
    and bytes: every number in the files counts.

    Raises InputError for a pattern that matches no layer, or when nothing can be factored.
    """
    layers = [name.removesuffix(WEIGHT) for name in checkpoint.entries if name.endswith(WEIGHT)]
    check_patterns(wanted.include + wanted.exclude, layers)
    reasons = {e.name: reason_for(e, checkpoint, skeleton, wanted) for e in matrices(checkpoint)}
    sites = tuple(
        site_at(checkpoint, skeleton, name) for name, reason in reasons.items() if not reason
    )
    totals = {
        "params": float(sum(entry.numel for entry in checkpoint.entries.values())),
        "bytes": float(sum(entry.bytes for entry in checkpoint.entries.values())),
    }
    refusals = refusals_of(checkpoint, sites, {n: r for n, r in reasons.items() if r})
    if not sites:
        raise nothing_to_factor(refusals)
    fixed = {cost: totals[cost] - sum(dense_cost(site, cost) for site in sites) for cost in COSTS}
    return Survey(sites, refusals, totals, fixed)


def matrices(checkpoint: Checkpoint) -> Iterator[Entry]:
    """The weights of two axes."""
    for entry in checkpoint.entries.values():
        if entry.name.endswith(WEIGHT) and len(entry.shape) == 2:
            yield entry


def reason_for(
    entry: Entry, checkpoint: Checkpoint, skeleton: Skeleton, wanted: Wanted
) -> str | None:
    """Why a matrix has to stay as it is, or None."""
    layer = entry.name.removesuffix(WEIGHT)
    if entry.dtype not in FACTORED:
        return f"its numbers are {entry.dtype}, and factors are floating"
    if min(entry.shape) < 2:
        return "it has one row or column, and no two factors that are smaller"
    others = set(checkpoint.beside(entry.name)) - {entry.name, layer + BIAS}
    if others:
        return f"{min(others)} belongs to it, beside weight and bias"
    if layer.rpartition(".")[0] + ".in_proj_weight" in checkpoint.entries:
        return "it is a part of attention whose weights are stored together"
    return wanted.refuses(layer) or skeleton.refuses(layer)


def site_at(checkpoint: Checkpoint, skeleton: Skeleton, name: str) -> Site:
    """The geometry of one layer. Its chain passes for it, as networks may ask for its sizes."""
    entry, layer = checkpoint.entries[name], name.removesuffix(WEIGHT)
    kind = skeleton.kind(layer) or "linear"
    rows, columns = entry.shape
    ins, outs = (rows, columns) if kind == "embedding" else (columns, rows)
    bias, dtype = layer + BIAS in checkpoint.entries, FACTORED[entry.dtype]
    return Site(layer, kind, ins, outs, bias=bias, dtype=dtype, poses=True)


def refusals_of(
    checkpoint: Checkpoint, sites: tuple[Site, ...], reasons: dict[str, str]
) -> tuple[Refusal, ...]:
    """Matrices one by one, and all that is no matrix; small parts of one kind share a line."""
    taken = {site.name + end for site in sites for end in (WEIGHT, BIAS)}
    parts = []
    for name, entry in checkpoint.entries.items():
        if name not in taken:
            kind = "matrix" if name in reasons else "tensor"
            parts.append(Part(name, kind, reasons.get(name) or why_no_matrix(entry), entry.numel))
    everything = sum(entry.numel for entry in checkpoint.entries.values())
    return tuple(joined(parts, FEW * everything))


def why_no_matrix(entry: Entry) -> str:
    """What a tensor is that is no layer's matrix."""
    if len(entry.shape) < 2:
        return "it has one axis, and no matrix to factor"
    if len(entry.shape) > 2:
        return "it has more than two axes, which takes the network to factor"
    return "it is not called the weight of a layer"


def nothing_to_factor(refusals: tuple[Refusal, ...]) -> Exception:
    """The error for a checkpoint without a single site."""
    return bad_value(
        "A checkpoint needs at least one matrix that can be factored",
        say_reasons(refusals) or "no tensors",
        "check include and exclude, or leave this checkpoint as it is",
    )
