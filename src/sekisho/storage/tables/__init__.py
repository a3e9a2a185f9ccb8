"""All tables, one module per slice. Only repositories, the compiler and the recorder import them.

Nothing here is peculiar to one database: times are integers of microseconds since the epoch, money is integers of 1e-10 units.
"""

from sekisho.storage.tables import audit, catalog, identity, revisions, usage
from sekisho.storage.tables.base import metadata

__all__ = ["audit", "catalog", "identity", "metadata", "revisions", "usage"]
