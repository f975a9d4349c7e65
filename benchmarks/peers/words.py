"""Networks, budgets and numbers in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NETWORKS = {
    "demo": "The embedded network",
    "resnet20": "ResNet-20",
    "maia": "Maia",
    "efficientnet_lite1": "EfficientNet-Lite1",
    "minilm": "MiniLM",
    "tiny": "A tiny network",
}
COSTS = {"params": "parameters", "macs": "MACs"}


def budget_words(network: Mapping[str, Any], cost: str) -> str:
    """As in: 25 % of the parameters."""
    return f"{100 * network['shares'][cost]:.0f} % of the {COSTS[cost]}"


def number(value: float | None, digits: int = 2) -> str:
    """A number, or nothing."""
    return "" if value is None else f"{value:.{digits}f}"
