"""Which database a URL means. The driver of PostgreSQL is imported only where it is wanted."""

from sekisho.storage.database import READERS, Database
from sekisho.storage.errors import StorageError

POSTGRESQL = ("postgresql://", "postgres://")


def of_url(url: str, *, readers: int = READERS) -> Database:
    """The database that a URL names, not yet open; raises StorageError, which never repeats the URL: it may hold a password."""
    if url.startswith(POSTGRESQL):
        from sekisho.storage.postgres import Postgres

        return Postgres(url, readers=readers)
    if url.startswith("sqlite:"):
        from sekisho.storage.sqlite import Sqlite, sqlite_path

        return Sqlite(sqlite_path(url), readers=readers)
    raise StorageError("the database URL is not readable; write sqlite:////absolute/path/sekisho.db or postgresql://user@host/database")
