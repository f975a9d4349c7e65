"""Fused experts as libraries write them, and modules that look like such and are none."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Fused(nn.Module):
    """Weights ``(experts, out, in)``; the gate comes first."""

    def __init__(self, experts=3, width=6, hidden=4):
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.randn(experts, 2 * hidden, width) / width**0.5)
        self.down_proj = nn.Parameter(torch.randn(experts, width, hidden) / hidden**0.5)
        self.act_fn = nn.SiLU()

    def expert(self, k, x):
        gate, up = F.linear(x, self.gate_up_proj[k]).chunk(2, -1)
        return F.linear(self.act_fn(gate) * up, self.down_proj[k])

    def forward(self, hidden_states, top_k_index, top_k_weights):
        y = torch.zeros_like(hidden_states)
        for k in range(len(self.gate_up_proj)):
            place, token = torch.where((top_k_index == k).T)
            y.index_add_(
                0, token, self.expert(k, hidden_states[token]) * top_k_weights[token, place, None]
            )
        return y


class Limited(Fused):
    """Weights ``(experts, in, out)`` with biases, and a gate of its own on alternating halves."""

    def __init__(self, experts=3, width=6, hidden=4):
        super().__init__(experts, width, hidden)
        for name, size in (("gate_up_proj", 2 * hidden), ("down_proj", width)):
            stack = getattr(self, name)
            setattr(self, name, nn.Parameter(stack.detach().transpose(1, 2).contiguous()))
            setattr(self, f"{name}_bias", nn.Parameter(torch.randn(experts, size)))
        self.limit = 1.5

    def _apply_gate(self, h):
        gate, up = h[..., ::2].clamp(max=self.limit), h[..., 1::2]
        return (up + 1) * gate * gate.sigmoid()

    def expert(self, k, x):
        h = self._apply_gate(x @ self.gate_up_proj[k] + self.gate_up_proj_bias[k])
        return h @ self.down_proj[k] + self.down_proj_bias[k]


class Sorted(nn.Module):
    """Tokens sorted by expert, in one batched product; no gate."""

    def __init__(self, experts=3, width=6, hidden=4):
        super().__init__()
        self.first = nn.Parameter(torch.randn(experts, width, hidden))
        self.second = nn.Parameter(torch.randn(experts, hidden, width))
        self.activation = F.gelu

    def forward(self, x):
        x = x.view(len(self.first), -1, x.shape[-1])
        return torch.bmm(self.activation(torch.bmm(x, self.first)), self.second).flatten(0, 1)


class Mixed(Fused):
    """Looks like experts, but one of them sees what another puts out."""

    def expert(self, k, x):
        return super().expert(k, x) + super().expert(0, x.roll(1, 0))


def routing(tokens, experts, chosen, seed=0):
    """The experts of each token, and their weights."""
    scores = torch.rand(tokens, experts, generator=torch.Generator().manual_seed(seed))
    weights, index = scores.topk(chosen, -1)
    return index, weights


def expert_examples():
    """By a name, a module, its inputs and its keywords."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, 6, generator=generator)
    index, weights = routing(6, 3, 2)
    alone = torch.zeros(6, 1, dtype=torch.int64)
    named = {"top_k_index": index, "top_k_weights": weights}
    return {
        "experts": (Fused(), (x, index, weights), {}),
        "experts, keywords": (Fused(), (x,), named),
        "experts, without tokens": (Fused(), (x, alone, torch.ones(6, 1)), {}),
        "experts, square": (Fused(3, 6, 6), (x, index, weights), {}),
        "experts, more limited": (Limited(), (x, index, weights), {}),
        "experts, sorted": (Sorted(), (x,), {}),
    }
