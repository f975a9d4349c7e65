"""Every saved network is judged anew, and what can be planned anew in minutes is.

    [TENFOLD_DATA=folder] python -m benchmarks.claims.check_claims [--only demo] [--fast]

``make claims`` runs it. The claims, and the values they have to come to, are in
``benchmarks/golden.json``. For each it prints what is claimed, the network and the data with a
digest of both, the seed, the command, the value and its standard error, and ends with an error when
one is further from its golden value than its noise. Claims on CIFAR-10 are left out, and named,
where ``TENFOLD_DATA`` is not set; ``--fast`` leaves out what is planned anew. Writes
``check_claims.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.subjects import HELD, Batches, Subject, load_subject
from benchmarks.result_files import write_json
from tenfold.network.identity import digest, digest_of
from tenfold.values import Mean

GOLDEN = Path(__file__).parents[1] / "golden.json"
COMMAND = "python -m benchmarks.claims.check_claims --only"
ON_CIFAR = "cifar"
QUICK = {"only": ["tiny"]}


@dataclass(frozen=True)
class Claim:
    """Top-1 of a network in per cent, or, with a ``budget``, the points that it loses under it
    without data. ``noise`` is how far the value may be from ``value``, in points: little where the
    weights are saved, for only arithmetic differs; more where ranks may change. ``data`` says which
    images judge, and ``stated`` where the claim stands."""

    name: str
    network: str
    data: str
    stated: str
    value: float
    noise: float
    params: int
    budget: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Checked:
    """What a claim came to, and whether it holds."""

    claim: Claim
    found: Mean
    params: int
    digests: tuple[str, str]  # of the network and of the data

    @property
    def holds(self) -> bool:
        """Within the noise, with exactly as many parameters or, where planned anew, no more."""
        near = abs(self.found.value - self.claim.value) <= self.claim.noise
        most = self.claim.params
        return near and (self.params <= most if self.claim.budget else self.params == most)


def read_claims() -> list[Claim]:
    """All of them, in the order of the file."""
    return [Claim(**each) for each in json.loads(GOLDEN.read_text("utf-8"))]


def check(claim: Claim) -> Checked:
    """Judge the network anew, and make it smaller where that is claimed."""
    torch.manual_seed(claim.seed)
    subject = load_subject(claim.network)
    batches = subject.judge("test", HELD)
    right = answers(subject.model, batches)
    model = subject.model
    if claim.budget:
        model = smaller(subject, claim)
        right = right - answers(model, batches)
    params = sum(p.numel() for p in model.parameters())
    digests = digest((), subject.model)[:8], digest_of(batches)[:8]
    return Checked(claim, mean_of(right), params, digests)


def smaller(subject: Subject, claim: Claim) -> nn.Module:
    """The network within the budget, without data."""
    return tenfold.compress(subject.model, subject.example, claim.budget, seed=claim.seed).model


@torch.no_grad()
def answers(model: nn.Module, batches: Batches) -> Tensor:
    """100 for an image that is told rightly, else 0; of two networks their difference is paired."""
    return torch.cat([100.0 * (model(x).argmax(1) == y) for x, y in batches]).double()


def mean_of(points: Tensor) -> Mean:
    """Their mean, and its standard error over images."""
    count = len(points)
    return Mean(float(points.mean()), count, float(points.std() / count**0.5))


def lines_of(checked: Checked) -> Iterator[str]:
    """What is told of one claim."""
    claim, found = checked.claim, checked.found
    yield f"{claim.name}: {'holds' if checked.holds else 'IS OFF'}"
    yield f"  claim     {claim.value:.2f}, within {claim.noise:g} ({claim.stated})"
    yield f"  value     {found.value:.2f} ± {found.spread:.2f} over {found.samples:,} images"
    yield f"  network   {claim.network} {checked.digests[0]}, {checked.params:,} parameters"
    yield f"  data      {claim.data} {checked.digests[1]}, seed {claim.seed}"
    yield f"  command   {COMMAND} {claim.name}"


def to_json(checked: Checked) -> dict[str, Any]:
    """The same for the results."""
    return {
        **asdict(checked.claim),
        "found": asdict(checked.found),
        "found_params": checked.params,
        "network_digest": checked.digests[0],
        "data_digest": checked.digests[1],
        "command": f"{COMMAND} {checked.claim.name}",
        "holds": checked.holds,
    }


def asked_for(claims: Sequence[Claim], arguments: argparse.Namespace) -> list[Claim]:
    """Those to check; what the tiny network claims only tries the script."""
    if arguments.only:
        return [claim for claim in claims if claim.name in arguments.only]
    fast = [claim for claim in claims if not (arguments.fast and claim.budget)]
    return [claim for claim in fast if claim.network != "tiny"]


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=[claim.name for claim in read_claims()])
    parser.add_argument("--fast", action="store_true", help="leave out what is planned anew")
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Check, print, write; ends with an error when a claim is off."""
    arguments = arguments_of(argv)
    warnings.simplefilter("ignore")
    found: list[Checked] = []
    for claim in asked_for(read_claims(), arguments):
        if claim.data.startswith(ON_CIFAR) and not os.environ.get("TENFOLD_DATA"):
            print(f"{claim.name}: left out, set TENFOLD_DATA to the folder of CIFAR-10")
            continue
        found.append(check(claim))
        print(*lines_of(found[-1]), sep="\n", flush=True)
    write_json(
        arguments.results / "check_claims.json",
        {"claims": [to_json(each) for each in found], "torch": str(torch.__version__)},
    )
    off = [each.claim.name for each in found if not each.holds]
    if off:
        sys.exit(f"{len(off)} of {len(found)} claims are off: {', '.join(off)}")
    print(f"{len(found)} claims hold")


if __name__ == "__main__":
    main()
