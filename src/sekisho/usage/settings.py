"""Bounds of lists and exports."""

from typing import Final

HOUR: Final = 3_600_000_000
"""Microseconds in the unit of the rollups."""

MOST_SCANNED: Final = 20_000
"""Entries of an index that are looked through for one page, where the filters ask for more than the index knows. Such a page may be
short, or empty, and the list goes on behind it."""

MOST_COUNTED: Final = 200_000
"""Calls that are looked at to count those that no sum knows."""
