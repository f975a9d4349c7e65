"""The public function for checkpoints that no memory holds: read, spectrum, allocate, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tenfold.costs import cost_named
from tenfold.curves import Curve
from tenfold.machine.files import check_free, remove
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Progress, silent
from tenfold.search import METHODS
from tenfold.search.budget import BudgetSpec
from tenfold.settings import PlanSettings
from tenfold.store.plan_file import plan_from_json, plan_to_json
from tenfold.stream.allocate import FORMAT, allocate, limits_of, price
from tenfold.stream.measure import measure_spectra
from tenfold.stream.read_checkpoint import Checkpoint, read_checkpoint
from tenfold.stream.read_moments import Moments, read_moments
from tenfold.stream.shards import deal_out
from tenfold.stream.skeleton import read_skeleton
from tenfold.stream.survey_checkpoint import WEIGHT, Wanted, survey_checkpoint
from tenfold.stream.work_folder import (
    Work,
    hand_over,
    keep_plan,
    open_work,
    read_kept,
    work_beside,
)
from tenfold.stream.write_rest import write_rest
from tenfold.stream.write_shards import write_shards
from tenfold.training.checkpoint import holding_lock
from tenfold.values import Limit, Plan, Survey, plain


@dataclass(frozen=True)
class Asked:
    """A checkpoint and what is wanted of it, read before any number is."""

    checkpoint: Checkpoint
    moments: Moments
    survey: Survey
    curves: tuple[Curve, ...]
    limits: tuple[Limit, ...]
    settings: PlanSettings
    shard_bytes: float


def compress_checkpoint(
    folder: str | Path,
    budget: BudgetSpec,
    out: str | Path,
    *,
    moments: str | Path | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    round_to: int | None = None,
    method: str = "continuous",
    shard: str = "1GB",
    progress: Progress = silent,
) -> Plan:
    """Factor the matrices of a checkpoint under a budget, one at a time, without a network.

    Two passes: the squared singular values of every matrix, then, after all ranks are chosen
    together, the factors. Memory holds one tensor and the Gram matrix of its smaller side. A run
    that was killed goes on from what lies in ``OUT.unfinished`` when it is called again; the
    result is the same to the last bit. Under ``torchrun`` the processes share the tensors out.

    Args:
        folder: holds ``model.safetensors``, or its index and shards; or such a file. Where
            transformers knows the ``config.json`` beside it, layers are told by their classes,
            else by names: every ``NAME.weight`` of two axes is a linear layer.
        budget: limits on ``params`` and ``bytes``, over every number in the checkpoint.
        out: a new directory: the factors as ``NAME.0.weight`` and ``NAME.1.weight``, all other
            tensors bit for bit, an index where there are several files, ``plan.json``,
            ``spectra.safetensors``, a card, and the files that lay beside the weights.
        moments: a safetensors file with the mean of ``x xᵀ`` over a layer's inputs, ``(in, in)``,
            or its diagonal ``(in,)``, under the name of its weight ``(out, in)``. Errors are
            then weighed by it, and layers without one stay as they are.
        include, exclude: shell patterns on layer names.
        round_to: ranks are multiples of this.
        method: how ranks are searched.
        shard: the size of a file of the output at most, but for a tensor that is larger.
        progress: called as ``progress(stage, done, total)``.

    Returns:
        The plan, with what was left alone, its size and the reason.

    Raises:
        BudgetError: the budget is unclear, or cannot be met.
        InputError: files are missing or damaged, nothing in them can be factored, or another run
            writes to the same output.
    """
    settings = PlanSettings(
        formats=(FORMAT,),
        include=tuple(include),
        exclude=tuple(exclude),
        round_to=round_to,
        method=method,
        metric="frobenius",
    )
    asked = read_asked(folder, budget, settings, moments, shard)
    return on_work(asked, Path(out), work_beside(Path(out)), progress)


def read_asked(
    folder: str | Path,
    budget: BudgetSpec,
    settings: PlanSettings,
    moments: str | Path | None,
    shard: str,
) -> Asked:
    """Everything that can be refused before it takes time."""
    METHODS[settings.method]
    size = cost_named("bytes").read(shard)
    checkpoint = read_checkpoint(folder)
    weighing = read_moments(moments, checkpoint.entries)
    wanted = Wanted(settings.include, settings.exclude, weighing.names)
    survey = survey_checkpoint(checkpoint, read_skeleton(checkpoint.folder), wanted)
    curves = price(survey, settings)
    limits = limits_of(budget, survey, curves, settings)
    return Asked(checkpoint, weighing, survey, curves, limits, settings, size)


def on_work(asked: Asked, target: Path, work: Work, progress: Progress) -> Plan:
    """Both passes, in the work folder, which the first process opens and hands over."""
    seal = {"files": asked.checkpoint.seal(), "moments": asked.moments.seal()}
    on_first_process(lambda: check_free(target))
    with holding_lock(work.folder):
        on_first_process(lambda: open_work(work, seal))
        spectra = spectra_of(asked, work, progress)
        plan = on_first_process(lambda: plan_once(asked, spectra, work))
        shards = deal_out(asked.checkpoint, plan, asked.survey.sites, asked.shard_bytes)
        write_shards(shards, asked.moments, work, progress)

        def conclude() -> None:
            write_rest(asked.checkpoint, plan, shards, spectra, work, target.name)
            hand_over(work, target)

        on_first_process(conclude)
    return plan


def spectra_of(asked: Asked, work: Work, progress: Progress) -> dict[str, Tensor]:
    """The first pass: the squared singular values of every matrix that may be factored."""
    entries = asked.checkpoint.entries
    wanted = {site.name + WEIGHT for site in asked.survey.sites}
    numbered = {k: entries[name] for k, name in enumerate(entries) if name in wanted}
    return measure_spectra(numbered, asked.moments, work, progress)


def plan_once(asked: Asked, spectra: dict[str, Tensor], work: Work) -> Plan:
    """The plan that unfinished work follows, where it is of the same request; else a new one, and
    the parts that were written for another go."""
    request = request_of(asked)
    kept = read_kept(work)
    if kept["request"] == request:
        return plan_from_json(kept["plan"])
    for file in work.out.iterdir():
        remove(file)
    weighed = asked.moments.entries is not None
    plan = allocate(asked.survey, asked.curves, spectra, asked.limits, asked.settings, weighed)
    keep_plan(work, request, plan_to_json(plan))
    return plan


def request_of(asked: Asked) -> dict[str, Any]:
    """What the plan and its shards follow from, beside the singular values."""
    return plain(
        {
            "limits": [[limit.cost, limit.value] for limit in asked.limits],
            "settings": asdict(asked.settings),
            "layers": [site.name for site in asked.survey.sites],
            "shard": asked.shard_bytes,
        }
    )
