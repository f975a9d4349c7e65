"""Where tenfold loses to a tool, sentence by sentence, read from the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.words import budget_words, networks, number

KINDS = (  # what a row has, whether more is better, and how it is said
    ("quality", True, "Quality without training", "", 2),
    ("trained", True, "Quality after the short training", "", 2),
    ("faster_at_work", True, "Speed in ONNX Runtime", "x", 2),
    ("cpu", False, "CPU seconds", " s", 0),
)


def defeats(results: Mapping[str, Any]) -> Iterator[str]:
    """One sentence a network, budget and kind."""
    for title, network in networks(results):
        for cost, rows in network["rows"].items():
            where = f"{title} at {budget_words(network, cost)}"
            if "tenfold" not in rows:
                yield f"{where}. tenfold has not been measured here yet."
            for key, more, what, unit, digits in KINDS:
                ours = rows.get("tenfold", {}).get(key)
                ahead = better(rows, key, more) if ours is not None else {}
                if ahead:
                    said = ", ".join(
                        f"{PEERS[peer].title} {number(value, digits)}{unit}"
                        for peer, value in ahead.items()
                    )
                    yield f"{where}. {what}: tenfold {number(ours, digits)}{unit}; {said}."


def better(rows: Mapping[str, Any], key: str, more: bool) -> dict[str, float]:
    """Tools that are ahead of tenfold, the best first."""
    sign = 1 if more else -1
    ours = sign * rows["tenfold"][key]
    ahead = {
        peer: row[key]
        for peer, row in rows.items()
        if row.get(key) is not None and sign * row[key] > ours
    }
    return dict(sorted(ahead.items(), key=lambda pair: -sign * pair[1]))
