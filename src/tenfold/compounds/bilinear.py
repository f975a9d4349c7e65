"""``nn.Bilinear`` -> a Linear of the first input, whose outputs are summed with the second."""

from __future__ import annotations

from torch import Tensor, nn

from tenfold.compounds._base import COMPOUNDS, Compound, Opened, linear_of, parameter_of


class OpenedBilinear(Opened):
    """``x1 W_k x2 + b_k`` for every output ``k``, the first product as one Linear."""

    def __init__(self, closed: nn.Bilinear) -> None:
        super().__init__()
        self.sizes = (closed.out_features, closed.in2_features)
        self.first = linear_of(closed.weight.transpose(1, 2).flatten(0, 1), None)
        bias = closed.bias
        self.register_parameter("bias", None if bias is None else parameter_of(bias))

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """As ``nn.Bilinear.forward``."""
        rows = self.first(input1).unflatten(-1, self.sizes)
        y = (rows @ input2.unsqueeze(-1)).squeeze(-1)
        return y if self.bias is None else y + self.bias


class Bilinear(Compound):
    """``nn.Bilinear`` itself."""

    def serves(self, module: nn.Module) -> bool:
        """Not its subclasses."""
        return type(module) is nn.Bilinear

    def open(self, module: nn.Module) -> Opened:
        """Names: ``first``."""
        assert isinstance(module, nn.Bilinear)
        return OpenedBilinear(module)


COMPOUNDS.add("bilinear", Bilinear())
