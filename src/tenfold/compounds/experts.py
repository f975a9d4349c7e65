"""Fused experts, with weights stacked in parameters of three axes -> Linears, two an expert."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from tenfold.compounds._base import COMPOUNDS, Compound, Opened, as_class, linear_of
from tenfold.compounds._expert_forms import Form, arguments_of, forms_of, stacks_of, trials
from tenfold.layers._prove import close
from tenfold.network.call import evaluating, frozen_rng, keeping_buffers


class OpenedExperts(Opened):
    """Experts that run one by one on their tokens.

    Called as the fused module is: with tokens ``(tokens, channels)``, the experts of each
    ``(tokens, chosen)`` and their weights of the same shape, or with tokens sorted by expert alone.
    The Linears of expert 3 are ``<name of the stacked parameter>.3``. In a graph that is exported
    every expert runs on every token, for sizes there cannot depend on the data.
    """

    def __init__(self, closed: nn.Module, form: Form) -> None:
        super().__init__()
        self.form, self.arguments = form, arguments_of(closed)
        self.rules = as_class(closed, type(closed))  # activations, and what they depend on
        self.rules._parameters.clear()
        for name in (form.inner, form.outer):
            self.add_module(name, linears_of(closed, name, form.transposed))

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        """As the fused module's."""
        x, *routing = (*inputs, *(named[n] for n in self.arguments[len(inputs) :]))
        if not self.form.routed:
            parts = x.reshape(len(self.inner()), -1, x.shape[-1])
            return torch.cat([self.expert(k, part) for k, part in enumerate(parts)])
        if torch.compiler.is_exporting():
            return self.on_every_token(x, *routing)
        return self.on_their_tokens(x, *routing)

    def on_their_tokens(self, x: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        """Each expert on the tokens that chose it; one without tokens does not run."""
        y = torch.zeros_like(x)
        for k in range(len(self.inner())):
            token, place = torch.where(index == k)
            if len(token):
                answer = self.expert(k, x[token]) * weights[token, place, None]
                y = y.index_add(0, token, answer.to(y.dtype))
        return y

    def on_every_token(self, x: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        """Each expert on all tokens, times what they give it."""
        y = torch.zeros_like(x)
        for k in range(len(self.inner())):
            share = torch.where(index == k, weights, 0).sum(-1, keepdim=True)
            y = y + (self.expert(k, x) * share).to(y.dtype)
        return y

    def expert(self, k: int, x: Tensor) -> Tensor:
        """One expert on its tokens."""
        outer: Any = self.get_submodule(self.form.outer)
        y: Tensor = outer[k](self.form.rule(self.rules, self.inner()[k](x)))
        return y

    def inner(self) -> nn.ModuleList:
        """The first maps of all experts."""
        layers: Any = self.get_submodule(self.form.inner)
        return layers  # type: ignore[no-any-return]


def linears_of(closed: nn.Module, name: str, transposed: bool) -> nn.ModuleList:
    """A Linear an expert, with its row of ``<name>_bias`` where there is such a parameter."""
    stack, biases = getattr(closed, name), getattr(closed, f"{name}_bias", None)
    rows = [None] * len(stack) if biases is None else biases
    return nn.ModuleList(
        linear_of(weight.T if transposed else weight, bias) for weight, bias in zip(stack, rows)
    )


class Experts(Compound):
    """Modules with stacked weights that are shown to be experts, whatever their class."""

    def __init__(self) -> None:
        self.known: WeakKeyDictionary[nn.Module, tuple[Any, Form | None]] = WeakKeyDictionary()

    def serves(self, module: nn.Module) -> bool:
        """Two stacks or more whose shapes fit, and no parameters inside other modules."""
        if type(module).__module__.startswith("torch.") or len(stacks_of(module)) < 2:
            return False
        alone = next((p for child in module.children() for p in child.parameters()), None) is None
        return alone and next(forms_of(module), None) is not None

    def refuses(self, module: nn.Module) -> str | None:
        """Also what no form explains."""
        if self.form_of(module) is None:
            return "its stacked weights are not shown to be experts of two maps each"
        return super().refuses(module)

    def open(self, module: nn.Module) -> Opened:
        """Names: those of the stacked parameters, and the expert's number."""
        form = self.form_of(module)
        assert form is not None
        return OpenedExperts(module, form)

    def form_of(self, module: nn.Module) -> Form | None:
        """The form that explains the outputs, once for as long as the parameters are the same."""
        told = [(name, id(p), p._version) for name, p in module.named_parameters()]
        known = self.known.get(module)
        if known is None or known[0] != told:
            known = self.known[module] = (told, proved(module))
        return known[1]


@torch.no_grad()
def proved(module: nn.Module) -> Form | None:
    """The first form whose outputs are the module's on random inputs and routings; None where
    there is none, or where it does not run on such inputs."""
    accounted = set(dict(module.named_parameters()))
    for form in forms_of(module):
        stacks = {form.inner, form.outer}
        if accounted - stacks - {f"{name}_bias" for name in stacks}:
            continue
        opened = OpenedExperts(module, form)
        try:
            with keeping_buffers(module), frozen_rng(), evaluating(module), evaluating(opened):
                inputs = trials(module, form)
                if all(close(opened(*x), module(*x)) for x in inputs):
                    return form
        except Exception:  # anybody's code runs here
            continue
    return None


COMPOUNDS.add("experts", Experts())
