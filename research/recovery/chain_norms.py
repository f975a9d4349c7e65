"""Norms between the factors of a chain for training, folded into stock layers afterwards."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from tenfold.formats.chains import balance_all, chains


class ScaleNorm(nn.Module):
    """BatchNorm's division by the spread without its shift, which no chain could take in: a
    padded layer after it would see the shift's border."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.register_buffer("running", torch.ones(channels))
        self.fresh = True

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            power = x.float().square().mean((0, 2, 3))
            with torch.no_grad():
                if self.fresh:
                    self.running.copy_(power)
                    self.gain.copy_((power + 1e-5).sqrt())
                    self.fresh = False
                self.running.lerp_(power, 0.1)
        else:
            power = self.running
        return x * (self.gain / (power + 1e-5).sqrt()).view(1, -1, 1, 1).to(x.dtype)


def with_norms(model: nn.Module, images: Tensor) -> nn.Module:
    """Every convolution of a chain but the last followed by a norm that changes nothing yet."""
    model = copy.deepcopy(model)
    balance_all(model)
    inner = [link for links in chains(model) for link in links[:-1] if link.weight.ndim == 4]
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if any(child is link for link in inner):
                setattr(module, name, nn.Sequential(child, ScaleNorm(child.out_channels)))
    model.eval()
    for module in model.modules():
        if isinstance(module, ScaleNorm):
            module.train()
    with torch.no_grad():
        model(images)
    return model.eval()


def folded(model: nn.Module) -> nn.Module:
    """Norms taken into the kernels before them; stock layers again."""
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Sequential) and isinstance(child[-1], ScaleNorm):
                norm, kernel = child[-1], child[0]
                factor = norm.gain / (norm.running + 1e-5).sqrt()
                kernel.weight.data.mul_(factor.detach().view(-1, 1, 1, 1))
                setattr(module, name, kernel)
    return model
