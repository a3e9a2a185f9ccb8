"""Bounds of the reports."""

from typing import Final

HOUR: Final = 3_600_000_000
"""Microseconds in the unit of the rollups."""

DAY: Final = 24 * HOUR

PERIODS: Final = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "all": None}
"""What a report can look back on; None means everything."""

LONGEST: Final = 3660 * DAY
"""Of a period that a request names."""

MOST_ROWS: Final = 2500
"""Rows of one report: 90 days by the hour are 2160."""

MOST_SAMPLED: Final = 5000
"""Calls, the newest of the period, that the latencies of named rows are taken from."""

FOLD_CALLS: Final = 4000
"""Calls that are folded in one transaction: some ten milliseconds, in which the recorder waits. Fewer would cost more in all."""

FOLD_SECONDS: Final = 2.0
"""Between two looks for calls to fold; a report adds those in between by itself."""

REST_SHARE: Final = 3.0
"""Between two folds of a backlog, times as long as the fold took: the recorder comes first, and reports do without."""
