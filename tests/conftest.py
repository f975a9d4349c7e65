"""What every test shares."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings

from tenfold.machine import cache
from tests.made_inputs import few_made

RECALL, REMEMBER = cache.recall, cache.remember

# Shrinking can take many minutes.
settings.register_profile(
    "wandering",
    deadline=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
# The same examples everywhere: a commit that passes here passes elsewhere. Look for others with
# ``python -m pytest -m hypothesis --hypothesis-profile wandering``.
settings.register_profile(
    "bounded", settings.get_profile("wandering"), derandomize=True, database=None
)
settings.load_profile("bounded")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Tests neither read nor fill the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TENFOLD_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def stages_at_work():
    """Made inputs are kept for all tests, what stages make of them is not, unless a test asks for
    ``stages_kept``: one that changes a stage sees it at work."""
    patch = pytest.MonkeyPatch()
    patch.setattr(cache, "recall", lambda name: None)
    patch.setattr(cache, "remember", lambda name, kept: None)
    yield
    patch.undo()


@pytest.fixture
def stages_kept(monkeypatch):
    """What stages make is kept, as for a user."""
    monkeypatch.setattr(cache, "recall", RECALL)
    monkeypatch.setattr(cache, "remember", REMEMBER)


@pytest.fixture(autouse=True, scope="session")
def few_made_inputs():
    with few_made():
        yield
