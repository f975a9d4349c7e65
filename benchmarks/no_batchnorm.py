"""Data-free estimates for a network without normalisation, against plain Frobenius.

    python benchmarks/no_batchnorm.py [--split held|test]

One row an estimate, points lost at 2x and 4x fewer parameters, no data, no fine-tuning; the
row ``real`` senses on training images and shows what there is to gain. Estimates are compared on
training images that the network has not seen; the test images are looked at with ``--split
test`` only. Writes ``results/no_batchnorm_<split>.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from plain import load_plain, split
from tenfold.build.rebuild import rebuild
from tenfold.curves import measure_damages
from tenfold.curves.trace import Curve, plain_damage, trace_curves
from tenfold.data.synthesise import smooth_noise
from tenfold.demo.data import read_split
from tenfold.demo.network import example
from tenfold.formats.metric import Metric
from tenfold.search import search
from tenfold.search.budget import resolve_budget
from tenfold.sense.moments import estimate_moments
from tenfold.survey.stage import survey
from tenfold.training.score import accuracy
from tenfold.values import Survey
from written import RESULTS, write_json

TIMES = (2, 4)
FORMATS = ("svd", "cp")  # the strongest for matrices and for kernels
IMAGES = 64
Estimate = tuple[Sequence[Curve], Sequence[Tensor], Mapping[str, Metric]]


def estimates(model: nn.Module, found: Survey) -> Iterator[tuple[str, Estimate]]:
    """Curves, damages and metrics of every way to guess what a layer can lose."""
    bare = trace_curves(model, found, formats=FORMATS)
    yield "frobenius", (bare, [plain_damage(c) for c in bare], {})
    yield "relative", (bare, [c.errors for c in bare], {})
    torch.manual_seed(0)
    noise, real = smooth_noise((IMAGES, 1, 28, 28)), split()[0][0][:IMAGES]
    yield "noise: Frobenius, measured", (bare, measure_damages(model, bare, noise), {})
    for name, x in (("noise", noise), ("real", real)):
        metrics = estimate_moments(model, found.sites, [x])
        curves = trace_curves(model, found, metrics, formats=FORMATS)
        yield f"{name}: metric, measured", (curves, measure_damages(model, curves, x), metrics)


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("held", "test"), default="held")
    args = parser.parse_args()
    x, y = split()[1] if args.split == "held" else read_split("test")
    batches = list(zip(x.split(500), y.split(500)))
    model = load_plain()
    found, base = survey(model, example()), accuracy(model, batches)
    print(f"{base:.2f} % on {len(y)} {args.split} images; points lost at {TIMES}")
    lost: dict[str, list[float]] = {}
    for name, (curves, damages, metrics) in estimates(model, found):
        lost[name] = []
        for times in TIMES:
            limits = resolve_budget({"params": 1 / times}, found.totals)
            built = rebuild(model, search(found, curves, damages, limits), metrics)
            lost[name].append(round(base - accuracy(built, batches), 2))
        print(f"{name:28}", *(f"{points:6.2f}" for points in lost[name]), flush=True)
    command = f"python benchmarks/no_batchnorm.py --split {args.split}"
    result = {
        "command": command,
        "base": base,
        "times": TIMES,
        "lost": lost,
        "params": found.totals["params"],
        "torch": torch.__version__,
    }
    write_json(RESULTS / f"no_batchnorm_{args.split}.json", result)


if __name__ == "__main__":
    main()
