"""Which database a URL means, and that no part of it that is secret comes out again."""

import pytest

from sekisho.storage.errors import StorageError
from sekisho.storage.urls import of_url


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("sqlite:////tmp/x.db", "sqlite", "/tmp/x.db"),
        ("postgresql://user:canary@db.example/sekisho", "postgresql", "postgresql://db.example:5432/sekisho"),
        ("postgres://user:canary@db.example:6432/x?sslmode=require", "postgresql", "postgresql://db.example:6432/x"),
        ("postgresql://user:can%20ary@/x?host=/run/postgresql", "postgresql", "postgresql:///run/postgresql:5432/x"),
        ("postgresql://u:canary@one,two:5433/x?target_session_attrs=read-write", "postgresql", "postgresql://one,two:,5433/x"),
    ],
)
def test_the_name_of_a_database_is_for_people(url: str, kind: str, name: str) -> None:
    database = of_url(url)
    assert (database.kind, database.name) == (kind, name)
    assert "canary" not in repr(database) + str(vars(database).get("name"))


@pytest.mark.parametrize(
    "url",
    [
        *("mysql://user:canary@host/x", "canary", "", "postgresql://u:canary@h/x?canary=1", "sqlite://"),
        *("postgresql://user:canary@host:port/x", "postgresql://u:x/canary@host/x", "postgresql://u:x@canary@host/x"),
    ],
)
def test_a_url_that_names_nothing_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(StorageError) as refused:
        of_url(url)
    assert "canary" not in str(refused.value)
    assert "write" in str(refused.value) or "needs" in str(refused.value)
