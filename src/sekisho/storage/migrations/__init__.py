"""How the schema came to be. `HEAD` names the newest migration, so that a start at head needs no migration tool.

A migration expands only: it adds tables, columns with a default and indexes, so that the version before it goes on working beside it,
on another node or after a step back. What nobody reads any more is removed by a migration of the version after.
"""

from typing import Final

HEAD: Final = "0007"
