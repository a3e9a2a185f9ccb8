"""How much later than promised a thing may come on this machine and still pass: `SEKISHO_TEST_PATIENCE` times, once unless it is set.

A developer's machine holds the product to its word. One that is shared with strangers may stand still for seconds, which says nothing of
the product; there the order and the outcome are judged all the same.
"""

import os
from typing import Final

PATIENCE: Final = float(os.environ.get("SEKISHO_TEST_PATIENCE") or 1.0)


def within(seconds: float) -> float:
    """The time that a thing may take which is promised within so many seconds."""
    return seconds * PATIENCE
