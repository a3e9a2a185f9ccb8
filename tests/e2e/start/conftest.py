"""One home that was used, and a copy of it for each test."""

from pathlib import Path

import pytest

from tests.e2e.start.attempts import copy_home, make_home


@pytest.fixture(scope="session")
def used_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("used") / "home")


@pytest.fixture
def home(used_home: Path, tmp_path: Path) -> Path:
    """A copy that the test may spoil."""
    return copy_home(used_home, tmp_path / "home")
