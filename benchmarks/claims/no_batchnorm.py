"""Data-free estimates for a network without normalisation, against plain Frobenius.

    python -m benchmarks.claims.no_batchnorm [--split held|test]

One row an estimate, points lost at 2x, 4x and 6x fewer parameters, no data, no fine-tuning; the
row ``real`` senses on training images and shows what there is to gain. Estimates are compared on
training images that the network has not seen; only ``--split test`` looks at the test images.
Writes ``no_batchnorm_<split>.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.plain import load_plain, split
from benchmarks.result_files import write_json
from tenfold.build.rebuild import rebuild
from tenfold.curves import measure_damages
from tenfold.curves.trace import Curve, plain_damage, trace_curves
from tenfold.data.provoke import provoke
from tenfold.data.synthesise import smooth_noise
from tenfold.demo.data import read_split
from tenfold.demo.network import example
from tenfold.formats.metric import Metric
from tenfold.search import search
from tenfold.search.budget import resolve_budget
from tenfold.sense.moments import estimate_moments
from tenfold.survey.stage import survey
from tenfold.tasks import read_task
from tenfold.training.score import accuracy
from tenfold.values import Survey

FORMATS = ("svd", "cp")  # the strongest for matrices and for kernels
Estimate = tuple[Sequence[Curve], Sequence[Tensor], Mapping[str, Metric]]
QUICK = {"times": (2,), "formats": ("svd",), "images": 8, "judges": 100}


def estimates(
    model: nn.Module, sites: Survey, formats: Sequence[str], images: int
) -> Iterator[tuple[str, Estimate]]:
    """Curves, damages and metrics of every way to guess what a layer can lose."""
    bare = trace_curves(model, sites, formats=formats)
    yield "frobenius", (bare, [plain_damage(c) for c in bare], {})
    yield "relative", (bare, [c.errors for c in bare], {})
    torch.manual_seed(0)
    noise, real = smooth_noise((images, 1, 28, 28)), split()[0][0][:images]
    yield "noise: Frobenius, measured", (bare, measure_damages(model, bare, [noise]), {})
    told = provoke(model, noise, read_task("classes"), lambda x: x)
    for name, x in (("noise", noise), ("noise of all classes", told), ("real", real)):
        metrics = estimate_moments(model, sites.sites, [x])
        curves = trace_curves(model, sites, metrics, formats=formats)
        yield f"{name}: metric, measured", (curves, measure_damages(model, curves, [x]), metrics)


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--split", choices=("held", "test"), default="held")
    parser.add_argument("--times", nargs="+", type=float, default=(2, 4, 6))
    parser.add_argument("--formats", nargs="+", default=FORMATS)
    parser.add_argument("--images", type=int, default=64, help="to measure damages on")
    parser.add_argument("--judges", type=int, help="images to judge by, all of the split if none")
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print, write."""
    arguments = arguments_of(argv)
    images, labels = split()[1] if arguments.split == "held" else read_split("test")
    images, labels = images[: arguments.judges], labels[: arguments.judges]
    batches = list(zip(images.split(500), labels.split(500)))
    model = load_plain()
    sites, base = survey(model, example()), accuracy(model, batches)
    print(f"{base:.2f} % on {len(labels)} images; points lost at {arguments.times}")
    lost: dict[str, list[float]] = {}
    ways = estimates(model, sites, arguments.formats, arguments.images)
    for name, (curves, damages, metrics) in ways:
        lost[name] = []
        for times in arguments.times:
            limits = resolve_budget({"params": 1 / times}, sites.totals)
            built = rebuild(model, search(sites, curves, damages, limits), metrics)
            lost[name].append(round(base - accuracy(built, batches), 2))
        print(f"{name:28}", *(f"{points:6.2f}" for points in lost[name]), flush=True)
    result = {
        "command": f"python -m benchmarks.claims.no_batchnorm --split {arguments.split}",
        "base": base,
        "times": arguments.times,
        "lost": lost,
        "params": sites.totals["params"],
        "torch": torch.__version__,
    }
    write_json(arguments.results / f"no_batchnorm_{arguments.split}.json", result)


if __name__ == "__main__":
    main()
