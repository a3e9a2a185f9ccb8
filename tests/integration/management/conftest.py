"""A house for each test, with a database that was migrated once: every test runs on both kinds, unless it is about one of them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sekisho.kit.crypto import KeyRing
from tests.integration.management.house import House

if TYPE_CHECKING:
    from tests.support.postgres import Cluster, Slate


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


@dataclass(frozen=True)
class Shared:
    """A migrated database in the cluster, and its ring."""

    name: str
    ring: KeyRing


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory, postgres_cluster: "Cluster") -> Shared:
    """What databases are copied from."""
    name = postgres_cluster.create()
    with House(tmp_path_factory.mktemp("template"), url=postgres_cluster.url(name)) as opened:
        return Shared(name, opened.ring)


@pytest.fixture(scope="session")
def postgres_slate(postgres_cluster: "Cluster", postgres_template: Shared) -> "tuple[Slate, KeyRing]":
    """The one that most tests share, one after the other."""
    from tests.support.postgres import Slate

    return Slate(postgres_cluster, postgres_template.name), postgres_template.ring


@pytest.fixture
def sqlite_house(tmp_path: Path, template: Template) -> Iterator[House]:
    """For tests about files."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copy(template.database, home)
    with House(home, template.ring) as opened:
        yield opened


@pytest.fixture
def postgres_house(tmp_path: Path, postgres_cluster: "Cluster", postgres_template: Shared) -> Iterator[House]:
    """For tests that change more than rows: with a database of its own."""
    url = postgres_cluster.url(postgres_cluster.create(postgres_template.name))
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with House(home, postgres_template.ring, url) as opened:
        yield opened


@pytest.fixture
def wiped_house(tmp_path: Path, postgres_slate: "tuple[Slate, KeyRing]") -> Iterator[House]:
    slate, ring = postgres_slate
    slate.wipe()
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with House(home, ring, slate.url) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest) -> House:
    """Empty, and like new."""
    found: House = request.getfixturevalue("sqlite_house" if request.param == "sqlite" else "wiped_house")
    return found
