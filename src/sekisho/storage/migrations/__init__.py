"""How the schema came to be. `HEAD` names the newest migration, so that a start at head needs no migration tool."""

from typing import Final

HEAD: Final = "0001"
