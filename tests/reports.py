"""Reports of networks that nobody built, of any number of layers, for pages and tables."""

from __future__ import annotations

from tenfold.bench import Cell, MeasuredModel, Timing
from tenfold.report import Line, Quality, Reached, Report, Timed
from tenfold.values import Choice, Excerpt, Forecast, Limit, Mean, Plan, Refusal

FORMATS = ("svd", "svd-in", "spatial", "tucker", "tt", "cp", "cp-separable")
SHARE = 5 / 26  # as a budget that somebody computed
REASON = "excluded"


def made_names(count):
    """Long ones, as networks of transformers have them."""
    return [f"model.encoder.layers.{k}.self_attention.output_projection" for k in range(count)]


def made_plan(names, share=SHARE):
    """Every layer by another format, the second kept whole."""
    return Plan(
        choices=tuple(choice(k, name) for k, name in enumerate(names)),
        refusals=(Refusal("embed", REASON, 50_000), Refusal("norm", "no weight to factor", 64)),
        budget=(Limit("params", str(share), share * total(names)),),
        before={"params": total(names), "macs": 2.0 * total(names)},
        predicted={"params": 0.19 * total(names), "macs": 0.4 * total(names)},
        damage=0.02,
        bound=0.019,
        origin="synthetic",
        forecast=Forecast(0.971, 0.004, 64),
        task="classes:1",
        curves=tuple(curve(k, name, each) for k, name in enumerate(names) for each in FORMATS),
    )


def total(names):
    return 100_000.0 * len(names) + 50_064


def choice(k, name):
    whole = k == 1
    before, costs = {"params": 100_000.0 - k, "macs": 2e5}, {"params": 20_000.0 + k, "macs": 4e4}
    return Choice(
        name,
        "dense" if whole else FORMATS[k % len(FORMATS)],
        () if whole else (12 + k, 128),
        0.0 if whole else 0.2 + 0.001 * k,
        0.0 if whole else 0.001 * (k + 1),
        before if whole else costs,
        before,
        reason="the budget is better spent here" if whole else "",
    )


def curve(k, name, each):
    shares = [(n + 1) / 13 for n in range(12)]
    return Excerpt(
        name,
        each,
        tuple(int(share * (100_000 - k)) for share in shares),
        tuple(float(f"{1.0123 - share:.3g}") for share in shares),
        tuple(float(f"{0.1234 * (1.01 - share) ** 2:.3g}") for share in shares),
    )


def made_report(plan, **more):
    """The report of such a plan."""
    lines = tuple(
        Line(
            x.site,
            x.format,
            x.ranks,
            x.error,
            (int(x.before["params"]), int(x.costs["params"])),
            (x.before["macs"], x.costs["macs"]),
            x.reason,
        )
        for x in plan.choices
    )
    limits = tuple(
        Reached(x.cost, x.asked, x.value, plan.predicted[x.cost], plan.predicted[x.cost])
        for x in plan.budget
    )
    return Report(
        before=plan.before,
        after=plan.predicted,
        limits=limits,
        lines=lines,
        refusals=plan.refusals,
        method=plan.method,
        gap=plan.gap,
        trace=tuple(
            {"step": 10.0 * k, "damage": 0.5 / (k + 1), "params": 2 / (k + 1)} for k in range(9)
        ),
        seconds={"search": 1.2345},
        environment={"processor": "Some Processor", "threads": 2},
        **more,
    )


QUALITY = Quality("top-1", "%", "demo", Mean(93.01, 10_000, 0.255), Mean(92.85, 10_000, 0.258))


def made_latency():
    """One cell, twice as fast."""
    models = {
        name: MeasuredModel(Timing(ms, ms, ms, ms), None, 1, 0.0)
        for name, ms in (("before", 4.0), ("after", 2.0))
    }
    return Timed(Cell("eager", "PyTorch eager", "2.13", 1, 32, models), "Some Processor")
