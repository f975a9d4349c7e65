"""What flows between the stages: frozen values, none of which knows a stage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from tenfold.settings import PlanSettings

# Agreement below which decisions, or plain outputs, are of little use; made inputs lie closer to
# where decisions change, so that less agreement there means as much (docs/search.md).
HARDLY, HARDLY_MADE, FAR = 0.8, 0.45, 0.5

Real: TypeAlias = "int | float | Tensor"  # a channel count: an integer, relaxed, or many at once


@dataclass(frozen=True)
class Call:
    """One call of a layer during a forward pass of the example: batch and spatial sizes."""

    batch: int
    in_size: tuple[int, ...]
    out_size: tuple[int, ...]


@dataclass(frozen=True)
class Site:
    """A layer that may be factored: its geometry, without its weights.

    ``kernel``, ``stride`` and ``dilation`` hold one entry a spatial axis (none for Linear);
    ``padding`` likewise, or the words ``"same"`` and ``"valid"``. The axes of an activation are
    batch, channels and then the spatial ones. A kind of layer that has more to say extends this
    class by fields of its own.

    Layers that have one weight are one site: the ``others`` are places beside the first, ``turned``
    where their weight is the transposed one, and ``scale`` times it.
    """

    name: str
    kind: str  # a name in ``tenfold.layers.LAYERS``
    in_channels: int
    out_channels: int
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] | str = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    padding_mode: str = "zeros"
    bias: bool = False
    dtype: torch.dtype = torch.float32
    calls: tuple[Call, ...] = ()
    extra_params: int = 0  # beside weight and bias, and gone once the layer is factored
    extra_bytes: int = 0
    extra_macs: float = 0  # a call, to compute the weight; below 0 for rows that take nothing
    poses: bool = False  # whether its chain has to pass for the layer, as the network asks for it
    others: tuple[Site, ...] = ()
    turned: bool = False
    scale: float = 1.0
    own_bias: bool = True  # not that of a place before it

    @property
    def places(self) -> tuple[Site, ...]:
        """Every layer that has the weight, the first one first, each for itself."""
        return (replace(self, others=()), *self.others) if self.others else (self,)

    @property
    def group(self) -> Site:
        """One group of the layer as a layer without groups."""
        if self.groups == 1:
            return self
        n, m = self.in_channels // self.groups, self.out_channels // self.groups
        return replace(self, in_channels=n, out_channels=m, groups=1)

    @property
    def lone(self) -> bool:
        """Whether every group reads or makes a single channel, as those of depthwise layers do."""
        return self.groups > 1 and min(self.group.in_channels, self.group.out_channels) == 1

    @property
    def axes(self) -> tuple[int, ...]:
        """The spatial axes: ``()`` for Linear, ``(0,)`` for Conv1d, ``(0, 1)`` for Conv2d."""
        return tuple(range(len(self.kernel)))

    @property
    def window(self) -> int:
        """Number of kernel positions, 1 for Linear."""
        return math.prod(self.kernel)


S = TypeVar("S", bound=Site)


def extended(site: Site, cls: type[S], **more: Any) -> S:
    """The site as one of a class with further fields."""
    return cls(**{each.name: getattr(site, each.name) for each in fields(site)}, **more)


@dataclass(frozen=True)
class Link:
    """One stock layer in the chain that replaces a site.

    ``axes`` are the spatial axes whose kernel, stride, padding and dilation this link carries;
    along the others it is pointwise. As many ``groups`` as channels make it depthwise.
    """

    in_channels: Real
    out_channels: Real
    axes: tuple[int, ...] = ()
    groups: Real = 1

    def along(self, values: tuple[int, ...], other: int = 1) -> tuple[int, ...]:
        """The values of the axes that the link carries, ``other`` along the rest."""
        return tuple(v if axis in self.axes else other for axis, v in enumerate(values))


@dataclass(frozen=True)
class Op:
    """One stock layer as costs see it; channel counts may be real or whole tensors of them."""

    kind: str
    in_channels: Real
    out_channels: Real
    groups: Real
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    bias: bool
    dtype: torch.dtype
    calls: tuple[Call, ...]
    positions: int  # at which the weights are applied, over the batch and all calls
    extra_params: int = 0
    extra_bytes: int = 0
    extra_macs: float = 0  # over all calls
    shared: bool = False  # its weights are those of another operation

    @property
    def weights(self) -> Real:
        """Number of weights, without the bias."""
        return self.out_channels * (self.in_channels / self.groups) * math.prod(self.kernel)

    @property
    def own_weights(self) -> Real:
        """The same without those that another operation holds."""
        return 0 * self.weights if self.shared else self.weights


@dataclass(frozen=True)
class Refusal:
    """A part that is left alone, the sentence that says why, and its parameters: those that no
    refusal before it counts, so that the sizes add up. Parts of one kind may share a line."""

    name: str
    reason: str
    params: int = 0


@dataclass(frozen=True)
class Survey:
    """What a model is made of: sites that can be factored, the rest, and the totals per cost."""

    sites: tuple[Site, ...]
    refusals: tuple[Refusal, ...]
    totals: Mapping[str, float]  # of the whole model, per cost
    fixed: Mapping[str, float]  # the part outside all sites, per cost


@dataclass(frozen=True)
class Limit:
    """One line of a budget: what was asked, and the absolute value it stands for."""

    cost: str
    asked: str
    value: float


@dataclass(frozen=True)
class Choice:
    """What a plan does with one site. ``error`` is the predicted relative error of the weight
    (norm, not squared, in the metric of the plan); ``damage`` its share of the predicted output
    error; ``reason`` says why a layer was left alone; ``metric`` on which side its error is
    weighed, ``"both"``, ``"inputs"`` or ``"plain"``."""

    site: str
    format: str
    ranks: tuple[int, ...]
    error: float
    damage: float
    costs: Mapping[str, float]
    before: Mapping[str, float]
    reason: str = ""
    poses: bool = False  # whether the chain passes for a layer of the same class
    metric: str = "both"


@dataclass(frozen=True)
class Excerpt:
    """A few points of one format's curve at one site, cheapest first: the parameters of the layer,
    the relative error of its weight (norm, not squared) and the damage. It is there to be drawn."""

    site: str
    format: str
    params: tuple[int, ...]
    errors: tuple[float, ...]
    damages: tuple[float, ...]


@dataclass(frozen=True)
class ExampleShape:
    """Shape and type of a single input tensor, from which its like can be made again; with its
    numbers, ``(batch, time)``, where these are ids of tokens; with their mean and deviation, to two
    digits, where they are real and vary."""

    shape: tuple[int, ...]
    dtype: str
    ids: tuple[tuple[int, ...], ...] | None = None
    level: tuple[float, float] | None = None


@dataclass(frozen=True)
class Forecast:
    """What to expect, measured on inputs that made nothing of the plan.

    ``agreement`` is the share of decisions in which the compressed network follows the original,
    with its standard error over inputs, ``spread``; for outputs that decide nothing it is 1 less
    the relative distance (root of the squared error over the squared size), not below 0. ``kind``
    says which: ``"decisions"`` or ``"outputs"``. ``enough``, where the network will hardly work,
    is the nearest budget at which agreement is 95 %, as ``"params=0.8"``. Before the layers are
    ``fitted`` to the original it is the least to expect, for a fit stays only where it is nearer.
    ``made`` says that nobody gave the inputs.
    """

    agreement: float
    spread: float
    inputs: int
    kind: str = "decisions"
    enough: str = ""
    fitted: bool = True
    made: bool = False

    @property
    def hardly(self) -> bool:
        """Whether the network will hardly work without more."""
        decided = HARDLY_MADE if self.made else HARDLY
        return self.fitted and self.agreement < (decided if self.kind == "decisions" else FAR)


@dataclass(frozen=True)
class Plan:
    """Per layer the format and ranks, with what was asked and what is predicted. No tensors.

    ``origin`` says what the metric was sensed on: ``"synthetic"``, ``"tokens"``, ``"calibration"``,
    ``"noise"`` or ``"frobenius"``. ``forecast`` is None where there were no inputs to measure on.
    ``measured`` holds, by cost, how a measured limit was reached; ``tuning``
    the settings of a fine-tuning that followed; ``task``, by name, what the outputs are for,
    ``""`` in plans of before. ``curves`` are points of what was searched, for the report; none in
    plans of before.
    """

    choices: tuple[Choice, ...]
    refusals: tuple[Refusal, ...]
    budget: tuple[Limit, ...]
    before: Mapping[str, float]
    predicted: Mapping[str, float]
    damage: float
    bound: float | None = None  # no plan on the same curves has less ``damage``
    settings: PlanSettings = field(default_factory=PlanSettings)
    origin: str = "frobenius"
    example: ExampleShape | None = None
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tuning: Mapping[str, Any] | None = None
    task: str = ""  # what the outputs are for, as stated or guessed
    forecast: Forecast | None = None
    trace: tuple[Mapping[str, float], ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    curves: tuple[Excerpt, ...] = ()

    @property
    def method(self) -> str:
        """The search that made it."""
        return self.settings.method

    @property
    def gap(self) -> float | None:
        """How far the plan may be from the best one on the same curves, as a share of it."""
        if self.bound is None:
            return None
        if self.damage <= self.bound or self.damage == 0:
            return 0.0
        return self.damage / self.bound - 1 if self.bound > 0 else math.inf


@dataclass(frozen=True)
class Mean:
    """A mean over samples, and its standard error; None where it cannot be told."""

    value: float
    samples: int
    spread: float | None = None


def spared(gap: float) -> float:
    """What a plan within ``gap`` of the best could be spared at most, as a share of its damage."""
    return 1 - 1 / (1 + gap)


def plain(value: Any) -> Any:
    """Tuples as lists; numbers that JSON cannot hold as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
