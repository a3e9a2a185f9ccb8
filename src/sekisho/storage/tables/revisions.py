"""The one row that says which state of the configuration this is, and whose."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Table, Text

from sekisho.storage.tables.base import metadata

revisions: Final = Table(
    "revisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, doc="Always 1."),
    Column("revision", BigInteger, nullable=False, doc="Counts every change of what the hot path reads."),
    Column("catalog_revision", BigInteger, nullable=False, doc="The last revision that changed anything but keys."),
    Column("instance", Text, nullable=False, doc="A random name of this installation."),
    Column("ring_fingerprint", Text, nullable=False, doc="Which key ring seals here; see kit.crypto.KeyRing.fingerprint."),
    CheckConstraint("id = 1", name="one_row"),
)
