"""The page ``docs/benchmarks.md``, written from ``results/peers.json`` and from nothing else.

python -m benchmarks.peers.page
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.defeats import defeats
from benchmarks.peers.published import ROWS
from benchmarks.peers.words import budget_words, networks, number
from benchmarks.result_files import RESULTS, read_json

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
TEXTS = Path(__file__).parent / "texts"
COLUMNS = ("", "quality", "trained", "parameters", "MACs", "CPU s", "ONNX Runtime")
ENDS = {"opening": "\n", "closing": "", "published": ""}  # rows of a table follow the last two
NEVER = "In none of the rows below."


def page_of(results: Mapping[str, Any]) -> str:
    """All of the page."""
    return "\n".join([*opening(results), *tables(results), *closing(results)]) + "\n"


def opening(results: Mapping[str, Any]) -> Iterator[str]:
    """What was done, with what, and where tenfold loses."""
    yield text("opening").format(**results["conditions"])
    yield "## Where tenfold loses\n"
    yield "\n".join(f"- {sentence}" for sentence in defeats(results)) or NEVER
    yield ""


def tables(results: Mapping[str, Any]) -> Iterator[str]:
    """A table a network and budget."""
    for title, network in networks(results):
        yield f"## {title}\n"
        yield (
            f"{network['params']:,.0f} parameters, {network['macs'] / 1e6:,.1f} million MACs; "
            f"{number(network['before'])} before ({network['metric']}).\n"
        )
        for cost, rows in network["rows"].items():
            yield f"At most {budget_words(network, cost)}:\n"
            yield from table(rows)
            yield ""


def table(rows: Mapping[str, Any]) -> Iterator[str]:
    """The rows in the order of the catalogue."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    for peer, row in in_order(rows):
        yield f"| {' | '.join(cells(PEERS[peer].title, row))} |"


def in_order(by_peer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """As the catalogue has them."""
    return ((peer, by_peer[peer]) for peer in PEERS if peer in by_peer)


def cells(title: str, row: Mapping[str, Any]) -> list[str]:
    """A row; one that failed says how in the place of its numbers."""
    if "failed" in row:
        return [title, plain(row["failed"]), *[""] * (len(COLUMNS) - 2)]
    return [
        title,
        number(row["quality"]),
        plain(row.get("trained_failed", "")) or number(row.get("trained")),
        f"{100 * row['params']:.1f} %",
        f"{100 * row['macs']:.1f} %",
        number(row["cpu"], 0),
        plain(row.get("faster_failed", "")) or f"{row['faster_at_work']:.2f}x",
    ]


def closing(results: Mapping[str, Any]) -> Iterator[str]:
    """Versions, what did not install, what others published."""
    yield text("closing")
    for peer, told in in_order(results["peers"]):
        versions = ", ".join(f"{name} {number}" for name, number in versions_of(told).items())
        said = plain(told.get("failed", "")) or versions or "part of this repository"
        yield f"| {PEERS[peer].title} | {PEERS[peer].sees} | {said} |"
    yield "\n" + text("published")
    for row in ROWS:
        removed = [f"{x:.2f} %" if x else "" for x in (row.params, row.flops)]
        yield f"| {row.network}, {row.what} | {row.top1:.2f} | {' | '.join(removed)} |"


def versions_of(told: Mapping[str, Any]) -> Mapping[str, str]:
    """Installed packages."""
    return told.get("versions", {})


def plain(sentence: str) -> str:
    """Fit for a cell."""
    return sentence.replace("|", "/").replace("`", "'").replace("<", "&lt;")


def text(name: str) -> str:
    """Words that no result changes."""
    return (TEXTS / f"{name}.md").read_text("utf-8").rstrip() + ENDS[name]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page_of(read_json(RESULTS / "peers.json")), "utf-8")


if __name__ == "__main__":
    main()
