"""Names that are lent to a block, as kinds of layer that live in tests are."""

from __future__ import annotations

import pytest

from tenfold.layers import LAYERS
from tests.kinds import TOYS, toys_registered


def test_what_is_added_for_a_block_is_gone_after_it():
    before = tuple(LAYERS)
    with toys_registered():
        assert tuple(LAYERS) == (*before, *(kind.name for kind in TOYS))
        assert LAYERS.values() == tuple(LAYERS[name] for name in LAYERS)
        with pytest.raises(ValueError, match="registered already"):
            LAYERS.add(TOYS[0].name, TOYS[0])
    assert tuple(LAYERS) == before


def test_it_is_gone_after_an_error_too():
    before = tuple(LAYERS)
    with pytest.raises(OSError, match="gone"), toys_registered():
        raise OSError("gone")
    assert tuple(LAYERS) == before
