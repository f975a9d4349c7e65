"""torchvision without its compiled operators, which a CPU build of torch from another index does
not take: AIMET imports it, and spatial SVD uses none of them."""

from __future__ import annotations

from typing import Any

import torch

register_fake = torch.library.register_fake


def but_torchvision(op: Any, *rest: Any, **named: Any) -> Any:
    """As torch has it, except for operators that are missing."""
    if isinstance(op, str) and op.startswith("torchvision::"):
        return lambda function: function
    return register_fake(op, *rest, **named)


torch.library.register_fake = but_torchvision
try:
    import torchvision  # noqa: F401
finally:
    torch.library.register_fake = register_fake
