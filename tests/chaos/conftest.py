"""The undisturbed run that all disturbed ones are compared with."""

import pytest

from tests.chaos.world import Reference, undisturbed


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What an undisturbed run leaves; computed once for each worker."""
    return undisturbed(tmp_path_factory.mktemp("reference"))
