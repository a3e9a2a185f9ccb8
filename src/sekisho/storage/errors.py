"""What can be wrong with a database, in one line that says what to do. Driver errors are translated here and nowhere else."""

import re
import sqlite3
from typing import Final

from sqlalchemy import exc


class StorageError(Exception):
    """The database cannot be used as it is; the message is for the person who started the product."""


class UnavailableError(StorageError):
    """The database does not take the work now (busy, disk full, gone); the same may succeed later."""


class UnreadableError(StorageError):
    """The database is there no more, or what is there cannot be read: damaged, or out of our reach until somebody does something."""


class MigrationFailedError(UnavailableError):
    """The database could not be brought to this version's schema: it is as it was, and nothing is written to it."""


def first_line(error: BaseException) -> str:
    """What an error says, of the driver's own where there is one, without the statement and the rest that people need not read."""
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]


def of_sqlite(error: exc.DBAPIError, name: str) -> Exception:
    """The error that our callers know for one of SQLite's; what is a fault of the program comes back as it was."""
    original = error.orig
    text = str(original)
    code = getattr(original, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return UnreadableError(
            f"the database {name} is damaged ({text}); nothing was changed: put a backup in its place with `sekisho backup restore`, "
            "or move the file away to start empty"
        )
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnavailableError(f"the database {name} is in use by another process; try again, or end that process")
    if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
        return UnavailableError(f"the database {name} cannot be written ({text}); make room on the disk and check the file's permissions")
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return UnreadableError(
            f"the database {name} cannot be opened ({text}); check that the directory exists and that its permissions allow it"
        )
    return error


_LATER: Final = (
    # SQLSTATE or its class, and what it means. See the appendix "PostgreSQL Error Codes" of its manual.
    ("57014", "took too long for a statement and gave it up; try again"),
    ("57", "is shutting down or starting; try again"),
    ("55P03", "is busy with another write; try again"),
    ("25P03", "ended a transaction that stood still; try again"),
    ("25006", "takes no writes (a standby, or set to read only); point the URL at the primary"),
    ("53100", "has no room left on its disk; make room there"),
    ("53300", "has no connection left for us; raise its max_connections or lower database.readers"),
    ("53", "is out of resources; try again"),
    ("58", "cannot read or write its disk; look at its own log"),
    ("40", "gave a transaction up in favour of another; try again"),
    ("08", "cannot be reached; it is asked again by itself"),
)
_NEVER: Final = (
    ("XX", "is damaged; look at its own log, and restore a backup"),
    ("28", "refused our credentials; check user and password in the URL, or PGPASSWORD, and its pg_hba.conf"),
    ("3D000", "does not exist; create it with: createdb, owned by the user of the URL"),
    ("3F000", "has no schema for us; give the user of the URL one in its search_path"),
    ("42501", "does not let the user of the URL do this; make that user its owner"),
)

_REFUSALS: Final = (
    # What a server or the system says to an attempt to connect comes without a SQLSTATE, as text. `True`: it may be otherwise later.
    (r"password authentication failed|no password supplied|authentication failed", False, _NEVER[1][1]),
    (r'role "[^"]*" does not exist|no pg_hba\.conf entry|is not permitted to log in', False, _NEVER[1][1]),
    (r'database "[^"]*" does not exist', False, _NEVER[2][1]),
    (r"permission denied for database", False, _NEVER[4][1]),
    (
        r"failed to resolve host|could not translate host name|name or service not known",
        True,
        "is on a host that no name server knows; check the URL",
    ),
    (
        r"connection refused|no such file or directory",
        True,
        "does not run there (nobody listens); start it, or check host and port of the URL",
    ),
    (r"timeout|timed out", True, "does not answer; check host and port of the URL and the network"),
    (r"too many clients|remaining connection slots|too many connections", True, _LATER[6][1]),
    (r"starting up|shutting down|recovery mode|not yet accepting connections", True, _LATER[1][1]),
    (r"certificate|ssl|root\.crt", False, "does not agree with us about TLS; check sslmode and sslrootcert in the URL"),
)


def of_postgres(error: exc.DBAPIError, name: str) -> Exception:
    """The same for an error of PostgreSQL or its driver. What the server says may repeat a value, so only the SQLSTATE is told."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return _of_connection(error, name)
    for start, what in _LATER:
        if state.startswith(start):
            return UnavailableError(f"the database {name} {what}")
    for start, what in _NEVER:
        if state.startswith(start):
            return StorageError(f"the database {name} {what}")
    return error


def _of_connection(error: exc.DBAPIError, name: str) -> Exception:
    text = str(error.orig)
    if isinstance(error, exc.OperationalError | exc.InterfaceError):
        for pattern, passes, what in _REFUSALS:
            if re.search(pattern, text, re.IGNORECASE):
                return (UnavailableError if passes else StorageError)(f"the database {name} {what}")
        return UnavailableError(f"the database {name} {_LATER[-1][1]}")
    return error
