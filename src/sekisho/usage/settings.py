"""Bounds of the reports."""

from typing import Final

HOUR: Final = 3_600_000_000
"""Microseconds in the unit of the rollups."""

DAY: Final = 24 * HOUR

PERIODS: Final = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "all": None}
"""What a report can look back on; None means everything."""

MOST_ROWS: Final = 2500
"""Rows of one report: 90 days by the hour are 2160."""
