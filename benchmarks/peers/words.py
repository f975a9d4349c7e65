"""Networks, budgets and numbers in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def networks(results: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Title and numbers of each network that was looked at, in the order above."""
    looked_at = results["networks"]
    return ((title, looked_at[name]) for name, title in NETWORKS.items() if name in looked_at)


def budget_words(network: Mapping[str, Any], cost: str) -> str:
    """As in: 25 % of the parameters."""
    return f"{100 * network['shares'][cost]:.0f} % of the {COSTS[cost]}"


def number(value: float | None, digits: int = 2) -> str:
    """A number, or nothing."""
    return "" if value is None else f"{value:.{digits}f}"
