"""The rows of a database in a form that no database owns: what was read from one can be loaded into the other.

    stream = entry*, the last one `End`
    entry  = length (u32, little-endian) · msgpack of a `Table`, `Rows` or `End`

Values are integers, texts, bytes, truth values, nothing, and JSON documents as such; a column's type in the database decides how each
is stored there. Rows are read in one consistent transaction, tables in the order of their references.
"""

import json
import struct
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import JSON, Connection, MetaData, cast, func, inspect, select, text
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.storage.database import legible
from sekisho.storage.errors import StorageError
from sekisho.storage.migrations import HEAD
from sekisho.storage.tables import metadata

VERSION_TABLE: Final = "alembic_version"
BATCH: Final = 500
"""Rows in an entry: about 2 ms of work, after which others have their turn."""
_LENGTH: Final = struct.Struct("<I")

Progress = Callable[[int, int], None]
"""Hears how many rows are done, and of how many."""


class Table(msgspec.Struct, tag="table", array_like=True, frozen=True):
    """The rows that follow are of this table; each value stands at the place of its column."""

    name: str
    columns: tuple[str, ...]


class Rows(msgspec.Struct, tag="rows", array_like=True, frozen=True):
    """Rows of the table named last."""

    rows: list[tuple[Any, ...]]


class End(msgspec.Struct, tag="end", array_like=True, frozen=True):
    """All that was read: a stream without it is cut."""

    rows: dict[str, int]


Entry = Table | Rows | End

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Entry).decode


def schema_of(connection: Connection) -> str:
    """The migration that a database is at; raises StorageError where it is none of ours."""
    if not inspect(connection).has_table(VERSION_TABLE):
        raise StorageError("the database has no schema of Sekisho")
    return str(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none() or "")  # noqa: S608 - constant


def tables_of(connection: Connection, schema: str) -> list[SqlTable]:
    """The tables as they are in this database, each after those that it refers to; raises SQLAlchemyError where one is missing."""
    found = MetaData()
    # What somebody else put beside our tables is none of ours; what an older schema had, nobody but the database knows any more.
    found.reflect(connection, only=list(metadata.tables) if schema == HEAD else None)
    for table in found.tables.values():
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type.none_as_null = True
    return [table for table in found.sorted_tables if table.name != VERSION_TABLE]


def count(connection: Connection, tables: list[SqlTable]) -> dict[str, int]:
    """The rows of each table."""
    return {str(table.name): int(connection.execute(select(func.count()).select_from(table)).scalar_one()) for table in tables}


async def dump(connection: AsyncConnection, tables: list[SqlTable]) -> AsyncGenerator[tuple[bytes, int], None]:
    """Entries ready to be written, each with the number of its rows."""
    done: dict[str, int] = {}
    for table in tables:
        done[str(table.name)] = 0
        yield _entry(Table(str(table.name), tuple(str(column.name) for column in table.columns))), 0
        async with connection.stream(select(table)) as result:
            async for rows in result.partitions(BATCH):
                done[str(table.name)] += len(rows)
                yield _entry(Rows([tuple(row) for row in rows])), len(rows)
    yield _entry(End(done)), 0


def _entry(entry: Entry) -> bytes:
    payload = _encode(entry)
    return _LENGTH.pack(len(payload)) + payload


def entries(pieces: Iterator[bytes], source: object) -> Iterator[Entry]:
    """The entries of a stream, up to and with its end; raises StorageError where it is cut or no such stream."""
    waiting = bytearray()

    def take(size: int) -> bytes:
        while len(waiting) < size:
            piece = next(pieces, None)
            if piece is None:
                raise StorageError(f"the backup {source} ends too early; use another one")
            waiting.extend(piece)
        taken = bytes(waiting[:size])
        del waiting[:size]
        return taken

    while True:
        payload = take(_LENGTH.unpack(take(_LENGTH.size))[0])
        try:
            entry = _decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise StorageError(f"the backup {source} holds something that this version of Sekisho does not read") from None
        yield entry
        if isinstance(entry, End):
            if waiting or any(pieces):
                raise StorageError(f"the backup {source} goes on behind its end; use another one")
            return


def verified(found: Iterator[Entry], promised: dict[str, int], source: object, progress: Progress) -> Iterator[Entry]:
    """The same entries, while their rows are counted: at the end they are what the header and the end say, or StorageError is raised."""
    counts: dict[str, int] = {}
    table: Table | None = None
    done, total = 0, sum(promised.values())
    for entry in found:
        match entry:
            case Table():
                table = entry
                counts[entry.name] = 0
            case Rows():
                if table is None or any(len(row) != len(table.columns) for row in entry.rows):
                    raise StorageError(f"the backup {source} has rows that fit no table; use another one")
                counts[table.name] += len(entry.rows)
                done += len(entry.rows)
                progress(done, total)
            case End():
                if not counts == entry.rows == promised:
                    raise StorageError(f"the backup {source} does not hold the rows that it should; use another one")
        yield entry


def load(connection: Connection, found: Iterator[Entry], tables: list[SqlTable], source: object) -> None:
    """Insert all rows into empty tables; raises StorageError where a table or a column is not there."""
    known = {table.name: table for table in tables}
    on_a_server = connection.dialect.name == "postgresql"
    statement = ""
    documents: list[int] = []
    for entry in found:
        match entry:
            case Table():
                table = known.get(entry.name)
                if table is None or not {*entry.columns} <= {*table.columns.keys()}:
                    raise StorageError(f"the backup {source} has a table {entry.name} that its schema does not know; use another one")
                # What a migration put there gives way to what the backup has.
                connection.execute(table.delete())
                statement = _insert(connection, entry)
                documents = [place for place, name in enumerate(entry.columns) if isinstance(table.c[name].type, JSON)]
            case Rows() if entry.rows:
                rows = [_spelled(row, documents) for row in entry.rows] if documents else entry.rows
                connection.exec_driver_sql(statement, [legible(row) for row in rows] if on_a_server else rows)
    if on_a_server:
        _count_on(connection, tables)


def _insert(connection: Connection, table: Table) -> str:
    """For the driver itself: a hundred thousand rows take half of the time that way."""
    quote = connection.dialect.identifier_preparer.quote
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    columns = ", ".join(map(quote, table.columns))
    return f"INSERT INTO {quote(table.name)} ({columns}) VALUES ({', '.join((mark,) * len(table.columns))})"  # noqa: S608 - our names


def _spelled(row: tuple[Any, ...], documents: list[int]) -> tuple[Any, ...]:
    """The same row with its JSON documents as texts, which is how both drivers take them."""
    values = list(row)
    for place in documents:
        if values[place] is not None:
            values[place] = json.dumps(values[place])
    return tuple(values)


def _count_on(connection: Connection, tables: list[SqlTable]) -> None:
    """Let counted keys go on behind those that were loaded; SQLite does so by itself."""
    for table in tables:
        for column in table.primary_key.columns:
            sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar_one_or_none()
            if sequence is not None:
                highest = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
                connection.execute(select(func.setval(cast(sequence, REGCLASS), highest, False)))
