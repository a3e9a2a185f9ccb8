"""What can be wrong with a database, in one line that says what to do. Driver errors are translated here and nowhere else."""

import sqlite3

from sqlalchemy import exc


class StorageError(Exception):
    """The database cannot be used as it is; the message is for the person who started the product."""


class UnavailableError(StorageError):
    """The database does not take the work now (busy, disk full, gone); the same may succeed later."""


def translate(error: exc.DBAPIError, name: str) -> Exception:
    """The error that our callers know for one of the driver's; what is a fault of the program comes back as it was."""
    original = error.orig
    text = str(original)
    code = getattr(original, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StorageError(
            f"the database {name} is damaged ({text}); nothing was changed: put a backup in its place with `sekisho backup restore`, "
            "or move the file away to start empty"
        )
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnavailableError(f"the database {name} is in use by another process; try again, or end that process")
    if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
        return UnavailableError(f"the database {name} cannot be written ({text}); make room on the disk and check the file's permissions")
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StorageError(
            f"the database {name} cannot be opened ({text}); check that the directory exists and that its permissions allow it"
        )
    return error
