"""The tools side by side: what each installs, what it is called, and what of the data it sees."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A tool: its file in ``methods/``, what stands in the table, the packages of its own
    environment and what is imported to try them, and what it sees of the data."""

    method: str
    title: str
    packages: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    sees: str = "nothing"


PEERS = {
    "tenfold": Peer("tenfold_default", "tenfold, default"),
    "tensorly": Peer(
        "tensorly_vbmf",
        "tensorly, Tucker-2 at VBMF ranks",
        ("tensorly==0.10.0",),
        ("tensorly",),
    ),
    "tltorch": Peer(
        "tltorch_tucker",
        "tltorch, Tucker",
        ("tensorly==0.10.0", "tensorly-torch==0.5.0", "packaging"),  # it does not declare the last
        ("tltorch",),
    ),
    "aimet": Peer(
        "aimet_spatial",
        "AIMET, spatial SVD",
        ("aimet-torch==2.42.0",),
        ("benchmarks.peers.methods._torchvision", "aimet_torch"),
        "labelled images, or inputs",
    ),
    "pruning": Peer(
        "pruning_magnitude",
        "Torch-Pruning, group magnitude, uniform",
        ("torch-pruning==1.6.1",),
        ("torch_pruning",),
    ),
    "pruning-global": Peer(
        "pruning_global",
        "Torch-Pruning, group magnitude, global",
        ("torch-pruning==1.6.1",),
        ("torch_pruning",),
    ),
    "whitened": Peer("whitened_svd", "whitened SVD, one share", sees="inputs"),
    "super-layer": Peer("super_layer", "super layer (re-implementation)"),
}
