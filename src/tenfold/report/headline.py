"""Report -> one sentence: what was asked, kept, lost and gained, and on which machine."""

from __future__ import annotations

from collections.abc import Iterator

from tenfold.costs import cost_named
from tenfold.report.numbers import say_share, say_times
from tenfold.report.report import Quality, Reached, Report
from tenfold.report.say import say_expected
from tenfold.values import Plan


def say_headline(report: Report, plan: Plan) -> str:
    """The sentence."""
    parts = [
        f"Asked to keep at most {joined([ask(x, report) for x in report.limits])}, tenfold kept "
        f"{joined([keep(x, report) for x in report.limits])}",
        lose(report, plan),
        *gain(report),
    ]
    return f"{'; '.join(parts)}; on {machine(report)}."


def ask(limit: Reached, report: Report) -> str:
    """``"19.2 % of the parameters"``, or an amount of a cost that was not taken before."""
    cost, before = cost_named(limit.cost), report.before.get(limit.cost)
    if before:
        return f"{say_share(limit.limit / before)} of the {cost.noun}"
    return f"{cost.say(limit.limit)} of {cost.noun}"


def keep(limit: Reached, report: Report) -> str:
    """What is left, and how many times less that is."""
    cost, before = cost_named(limit.cost), report.before.get(limit.cost)
    left = limit.predicted if limit.reached is None else limit.reached
    said = f"{cost.say(left)} {'of ' if cost.unit else ''}{cost.noun}"
    if before and left:
        said += f" ({say_times(before / left)} {say_fewer(limit.cost)})"
    return f"{said}, as predicted" if limit.reached is None else said


def say_fewer(name: str) -> str:
    """``"fewer"`` of what is counted, ``"less"`` of an amount."""
    return "less" if cost_named(name).unit else "fewer"


def lose(report: Report, plan: Plan) -> str:
    """The latest quality, or what the forecast says, or that nobody looked."""
    if report.quality:
        return say_change(report.quality[-1])
    expected = say_expected(plan)
    if not expected:
        return "its quality was not measured"
    return f"its quality was not measured, but by forecast it keeps {expected}"


def say_change(quality: Quality) -> str:
    """``"lost 0.16 points of top-1 on 10,000 samples"``."""
    change = quality.after.value - quality.before.value
    digits, unit = (2, "points of ") if quality.unit else (4, "of ")
    word = "lost" if change < 0 else "gained"
    samples = f"{quality.after.samples:,} samples"
    if not round(change, digits):
        return f"kept all of {quality.measure} on {samples}"
    return f"{word} {abs(change):.{digits}f} {unit}{quality.measure} on {samples}"


def gain(report: Report) -> Iterator[str]:
    """The latency at the batch size and engine where it fell most."""
    if report.latency:
        best = max((x.cell for x in report.latency), key=lambda cell: cell.ratio())
        yield f"it takes {best.ratio():.2f}x less time in {best.label} at batch {best.batch}"


def machine(report: Report) -> str:
    """The processor, and how much of it was used."""
    about = report.environment
    name = about.get("processor") or about.get("machine", "an unknown machine")
    threads = about.get("threads")
    return f"{name}, {threads} thread{'s' * (threads != 1)}" if threads else str(name)


def joined(parts: list[str]) -> str:
    """``"a, b and c"``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
