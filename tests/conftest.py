"""What every test shares."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings

settings.register_profile(
    "bounded", deadline=None, print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking can take many minutes
)  # fmt: skip
settings.load_profile("bounded")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Tests neither read nor fill the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TENFOLD_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()
