"""Runs outages by hand, as long as asked, and says what came of them; exit 1 where a promise was broken."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.e2e.faults.arena import Arena
from tests.e2e.outages import faults
from tests.e2e.outages.drives import arena_on, drive

FAULTS: Final = {"locked": faults.locked, "slow": faults.pulses, "gone": faults.taken_away, "full": faults.full}


@contextlib.contextmanager
def place_of(fault: str) -> Iterator[tuple[Arena, Path]]:
    """A product, and its database where this fault can happen."""
    with contextlib.ExitStack() as stack:
        if fault == "full":
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            database = stack.enter_context(faults.small_disk(directory / "disk")) / "sekisho.db"
            yield stack.enter_context(arena_on(database)), database
        else:
            arena = stack.enter_context(arena_on())
            yield arena, arena.product.home / "sekisho.db"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.outages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each outage lasts")
    parser.add_argument("--faults", default=",".join(FAULTS), help="which ones, with commas between (default: all; full needs root)")
    given = parser.parse_args()
    broken = False
    for name in given.faults.split(","):
        with place_of(name) as (arena, database):
            report = drive(arena, FAULTS[name](database), given.seconds, refuses=name != "slow")
        print(f"{name}: " + "\n".join(report.lines()), flush=True)
        broken |= bool(report.faults)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
