"""A house for each test, with a database that was migrated once."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sekisho.kit.crypto import KeyRing
from tests.integration.management.house import House


@dataclass(frozen=True)
class Template:
    """An empty house's database, and the ring that it belongs to."""

    database: Path
    ring: KeyRing


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with House(tmp_path_factory.mktemp("template")) as opened:
        ring = opened.ring
    return Template(opened.home / "sekisho.db", ring)


@pytest.fixture
def house(tmp_path: Path, template: Template) -> Iterator[House]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copy(template.database, home)
    with House(home, template.ring) as opened:
        yield opened
