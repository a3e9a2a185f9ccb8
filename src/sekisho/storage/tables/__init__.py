"""All tables, one module per slice. Only repositories, the compiler and the recorder import them.

Nothing here is peculiar to one database: times are integers of microseconds since the epoch, money is integers of 1e-10 units.
"""

from sekisho.storage.tables import access, audit, catalog, identity, people, projects, repeats, revisions, usage
from sekisho.storage.tables.base import metadata

__all__ = ["access", "audit", "catalog", "identity", "metadata", "people", "projects", "repeats", "revisions", "usage"]
