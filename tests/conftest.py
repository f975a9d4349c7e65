"""What every test shares."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Tests neither read nor fill the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TENFOLD_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()
