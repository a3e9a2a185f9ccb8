"""A start that cannot be ends with one line that says what is wrong, with exit 1, and never with the password."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.start.attempts import try_start
from tests.support.postgres import GUARDED, PASSWORD, nobody_listens
from tests.support.product import Product

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

pytestmark = pytest.mark.e2e

CASES = {
    "wrong password": "refused our credentials",
    "unknown user": "refused our credentials",
    "missing database": "does not exist; create it with: createdb",
    "unknown host": "is on a host that no name server knows",
    "nobody listens": "does not run there (nobody listens)",
    "no URL": "the database URL is not readable",
    "no room": "has no connection left for us",
    "no rights": "does not let the user of the URL do this",
}


@pytest.fixture
def urls(postgres_cluster: "Cluster", database_url: str) -> dict[str, str]:
    name = database_url.rpartition("/")[2]
    for role, more in (("lonely", "CONNECTION LIMIT 0"), ("powerless", "")):
        if not postgres_cluster.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
            postgres_cluster.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' {more}")
    return {
        "wrong password": postgres_cluster.url(name, user=GUARDED, password="canary-secret"),
        "unknown user": postgres_cluster.url(name, user="nobody"),
        "missing database": postgres_cluster.url("nowhere"),
        "unknown host": f"postgresql://tester:canary-secret@no-such-host.invalid:{postgres_cluster.port}/{name}",
        "nobody listens": f"postgresql://tester:canary-secret@127.0.0.1:{nobody_listens()}/{name}",
        "no URL": "postgresql://tester:canary-secret@[/x",
        "no room": postgres_cluster.url(name, user="lonely"),
        "no rights": postgres_cluster.url(name, user="powerless"),
    }


@pytest.mark.parametrize("case", CASES)
def test_one_line_says_what_to_do(tmp_path: Path, urls: dict[str, str], case: str) -> None:
    attempt = try_start(tmp_path / "home", environment={"SEKISHO_DATABASE_URL": urls[case]})
    assert attempt.exit_code == 1, attempt
    assert CASES[case] in attempt.line
    for secret in (PASSWORD, "canary-secret", urls[case]):
        assert secret not in attempt.stderr + attempt.stdout
    assert "Traceback" not in attempt.stderr


def test_a_lost_key_ring_is_never_replaced_beside_a_database_in_use(tmp_path: Path, database_url: str) -> None:
    environment = {"SEKISHO_DATABASE_URL": database_url}
    with Product(tmp_path / "home", environment=environment) as product:
        assert product.key
    ring = tmp_path / "home" / "secret.key"
    kept = ring.read_bytes()
    ring.unlink()
    attempt = try_start(tmp_path / "home", environment=environment)
    assert attempt.exit_code == 1
    assert "is there, but its secret key" in attempt.line
    assert not ring.exists()
    other = try_start(tmp_path / "other", environment=environment)
    assert "is there, but its secret key" in other.line
    assert not (tmp_path / "other" / "secret.key").exists()
    ring.write_bytes(kept)
    ring.chmod(0o600)
    with Product(tmp_path / "home", environment=environment) as product:
        assert product.status()["database"] == "postgresql"
