"""Runs one drive by hand and says what came of it; exit 1 where a law was broken."""

import argparse
import sys

from tests.e2e.crash.drives import Plan, drive


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.crash", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to call and kill")
    parser.add_argument("--kills", type=int, default=30, help="how many workers to kill in that time")
    parser.add_argument("--clients", type=int, default=12, help="clients that call at the same time")
    parser.add_argument("--workers", type=int, default=1, help="workers of the product; one of them is killed at a time")
    parser.add_argument("--ends-with-all", action="store_true", help="at the end kill every process at one blow and start again")
    parser.add_argument("--seed", type=int, default=2026, help="the same seed gives the same calls and instants")
    given = parser.parse_args()
    report = drive(Plan(given.seconds, given.kills, given.seed, given.clients, given.workers, given.ends_with_all))
    print("\n".join(report.lines()))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
