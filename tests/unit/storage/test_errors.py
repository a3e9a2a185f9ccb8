"""Each trouble of PostgreSQL in one line that says what to do, and whether it may pass."""

import pytest
from sqlalchemy import exc

from sekisho.storage.errors import StorageError, UnavailableError, of_postgres


class DriverError(Exception):
    """What the driver raises: a text, and a SQLSTATE where the server gave one."""

    def __init__(self, text: str, sqlstate: str | None = None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


def told(text: str, sqlstate: str | None = None) -> Exception:
    return of_postgres(exc.OperationalError("SELECT", {}, DriverError(text, sqlstate)), "postgresql://db:5432/x")


@pytest.mark.parametrize(
    ("sqlstate", "words"),
    [
        ("57014", "took too long"),
        ("57P01", "is shutting down or starting"),
        ("57P03", "is shutting down or starting"),
        ("55P03", "busy with another write"),
        ("25006", "takes no writes"),
        ("53100", "no room left"),
        ("53300", "no connection left for us"),
        ("53200", "out of resources"),
        ("58030", "cannot read or write its disk"),
        ("40P01", "in favour of another"),
        ("08006", "cannot be reached"),
    ],
)
def test_what_may_pass_is_said_to_be_so(sqlstate: str, words: str) -> None:
    error = told("canary", sqlstate)
    assert type(error) is UnavailableError
    assert str(error).startswith("the database postgresql://db:5432/x ")
    assert words in str(error)
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("sqlstate", "words"),
    [("XX001", "is damaged"), ("28P01", "refused our credentials"), ("3D000", "createdb"), ("42501", "make that user its owner")],
)
def test_what_a_person_has_to_mend_is_said_to_be_so(sqlstate: str, words: str) -> None:
    error = told("canary", sqlstate)
    assert type(error) is StorageError
    assert words in str(error)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ('connection failed: FATAL:  password authentication failed for user "canary"', StorageError, "refused our credentials"),
        ('FATAL:  database "canary" does not exist', StorageError, "does not exist"),
        ("failed to resolve host 'canary': [Errno -2] Name or service not known", UnavailableError, "no name server knows"),
        ("connection to server at 10.0.0.1, port 5432 failed: Connection refused", UnavailableError, "does not run there"),
        ("connection timeout expired", UnavailableError, "does not answer"),
        ("FATAL:  sorry, too many clients already", UnavailableError, "no connection left for us"),
        ("FATAL:  the database system is starting up", UnavailableError, "shutting down or starting"),
        ("server does not support SSL, but SSL was required", StorageError, "about TLS"),
        ("server closed the connection unexpectedly", UnavailableError, "cannot be reached"),
    ],
)
def test_a_connection_that_fails_is_told_by_what_it_says(text: str, kind: type[Exception], words: str) -> None:
    error = told(text)
    assert type(error) is kind
    assert words in str(error)
    assert "canary" not in str(error)


def test_a_fault_of_ours_stays_what_it_is() -> None:
    error = exc.ProgrammingError("SELECT", {}, DriverError("syntax error", "42601"))
    assert of_postgres(error, "x") is error
