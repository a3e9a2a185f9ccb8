"""Homes that cannot be used, keys that do not fit and databases that are broken: nothing is made anew over what was there."""

import base64
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.start.attempts import Attempt, try_start
from tests.support.product import Product

pytestmark = pytest.mark.e2e

OTHER_RING = json.dumps({"format": 1, "keys": {"1": base64.b64encode(bytes(range(32))).decode()}})


def check(attempt: Attempt, *words: str) -> None:
    assert attempt.exit_code == 1, attempt
    for word in words:
        assert word in attempt.line
    assert "Traceback" not in attempt.stderr + attempt.stdout
    assert not attempt.changed
    assert not attempt.added


def test_the_secret_key_is_missing(home: Path) -> None:
    """A new key beside old data would lose every credential for good."""
    (home / "secret.key").unlink()
    check(try_start(home), "secret.key", "sekisho.db")
    assert not (home / "secret.key").exists()


def test_the_secret_key_is_another(home: Path) -> None:
    (home / "secret.key").write_text(OTHER_RING)
    check(try_start(home), "secret.key")


def test_the_secret_key_is_another_by_the_environment(home: Path) -> None:
    attempt = try_start(home, environment={"SEKISHO_SECRET_KEY": OTHER_RING})
    check(attempt, "SEKISHO_SECRET_KEY")
    assert json.loads(OTHER_RING)["keys"]["1"] not in attempt.stderr


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"not a key ring", b'{"format": 1, "keys": {"1": "c2hvcnQ="}}'], ids=["empty", "zeros", "text", "short"]
)
def test_the_secret_key_is_garbage(home: Path, content: bytes) -> None:
    (home / "secret.key").write_bytes(content)
    check(try_start(home), "secret.key")


def _garbage(database: Path) -> None:
    database.write_bytes(os.urandom(65536))


def _text(database: Path) -> None:
    database.write_text("this was never a database\n" * 100)


def _half(database: Path) -> None:
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2])


def _damaged_inside(database: Path) -> None:
    data = bytearray(database.read_bytes())
    data[4096:-4096] = b"\xaa" * (len(data) - 8192)
    database.write_bytes(data)


def _of_another_application(database: Path) -> None:
    database.unlink()
    connection = sqlite3.connect(database)
    connection.execute("create table recipes (id integer primary key, name text)")
    connection.execute("insert into recipes (name) values ('soup')")
    connection.commit()
    connection.close()


def _of_a_newer_version(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("update alembic_version set version_num = '9999_from_the_future'")
    connection.commit()
    connection.close()


def _a_directory(database: Path) -> None:
    database.unlink()
    database.mkdir()


BROKEN: dict[str, Callable[[Path], None]] = {
    "garbage": _garbage,
    "text": _text,
    "half of it": _half,
    "damaged inside": _damaged_inside,
    "of another application": _of_another_application,
    "a directory": _a_directory,
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_database_is_broken(home: Path, case: str) -> None:
    """And no sealed copy of its configuration is there to go on with (for that see tests/e2e/outages)."""
    (home / "snapshot.sealed").unlink()
    _fold_log(home)
    BROKEN[case](home / "sekisho.db")
    check(try_start(home), "sekisho.db")


def test_the_database_is_another_applications_beside_a_copy(home: Path) -> None:
    """Nothing is away that could come back, so nothing stands in for it."""
    _fold_log(home)
    _of_another_application(home / "sekisho.db")
    check(try_start(home), "sekisho.db", "another program")


def test_the_database_is_of_a_newer_version(home: Path) -> None:
    _fold_log(home)
    _of_a_newer_version(home / "sekisho.db")
    check(try_start(home), "newer version")


def test_the_home_is_a_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("mine")
    check(try_start(home), str(home))
    assert home.read_text() == "mine"


def test_the_home_is_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    check(try_start(tmp_path / "file" / "home"), str(tmp_path / "file"))


def test_the_home_is_not_ours_to_write(home: Path) -> None:
    """Where modes do not bind us, as root, a home of another user stands for it."""
    if os.geteuid() == 0:
        os.chown(home, 12345, 12345)
        check(try_start(home), str(home), "another user")
        return
    home.chmod(0o500)
    try:
        check(try_start(home), str(home))
    finally:
        home.chmod(0o700)


def test_the_home_is_used_for_something_else(tmp_path: Path) -> None:
    home = tmp_path / "documents"
    home.mkdir(mode=0o755)
    (home / "thesis.txt").write_text("years of work")
    check(try_start(home), str(home), "thesis.txt")
    assert stat.S_IMODE(home.stat().st_mode) == 0o755, "it is not ours to close"


def test_a_home_that_is_open_is_closed(home: Path) -> None:
    """Open modes are mended rather than refused: nobody is helped by a start that stops for what it can do itself."""
    home.chmod(0o777)
    for name in ("secret.key", "sekisho.db"):
        (home / name).chmod(0o666)
    (home / "journal").chmod(0o777)
    with Product(home) as product:
        assert httpx.get(product.origin + "/health").status_code == 200
        for path in (home, *home.rglob("*")):
            mode = stat.S_IMODE(path.lstat().st_mode)
            assert not mode & 0o077 or path.is_symlink(), f"{path} is {mode:o}"


def test_a_home_with_a_long_path(home: Path, tmp_path: Path) -> None:
    """A Unix socket's path is short; a home's need not be."""
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    moved = home.rename(deep / "home")
    with Product(moved) as product:
        assert product.status()["supervisor"]


def test_the_same_home_starts_when_nothing_is_wrong(home: Path) -> None:
    """The other tests would pass with a product that never starts."""
    with Product(home) as product:
        assert httpx.get(product.origin + "/health").status_code == 200
        assert [provider["name"] for provider in product.cli("providers", "list")["providers"]].count("up") == 1


def _fold_log(home: Path) -> None:
    """Nothing of the database lies beside it any more, so that what is spoilt is all there is."""
    connection = sqlite3.connect(home / "sekisho.db")
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    for name in ("sekisho.db-wal", "sekisho.db-shm"):
        (home / name).unlink(missing_ok=True)
