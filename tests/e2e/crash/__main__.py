"""Runs one drive by hand and says what came of it; exit 1 where a law was broken."""

import argparse
import sys

from tests.e2e.crash.drives import Plan, drive
from tests.e2e.crash.victims import VICTIMS, WORKER


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.crash", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to call and kill")
    parser.add_argument("--victims", choices=[*VICTIMS, "all"], default=WORKER, help="who dies; `all` is one of them by chance each time")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two deaths")
    parser.add_argument("--kills", type=int, help="so many deaths at random instants, instead of one at a time")
    parser.add_argument("--clients", type=int, default=16, help="clients that call at the same time")
    parser.add_argument("--workers", type=int, default=1, help="workers of the product; one of them is killed at a time")
    parser.add_argument("--ends-with-all", action="store_true", help="at the end kill every process at one blow and start again")
    parser.add_argument("--seed", type=int, default=2026, help="the same seed gives the same calls, victims and instants")
    parser.add_argument("--patience", type=float, default=1.0, help="how many times longer than promised the service may be away")
    parser.add_argument("--database-url", help="of the product's database; without it, a file in a home of its own")
    given = parser.parse_args()
    plan = Plan(
        seconds=given.seconds,
        seed=given.seed,
        kills=given.kills,
        every=given.every,
        victims=VICTIMS if given.victims == "all" else (given.victims,),
        clients=given.clients,
        workers=given.workers,
        ends_with_all=given.ends_with_all,
        patience=given.patience,
        environment={"SEKISHO_DATABASE_URL": given.database_url} if given.database_url else {},
    )
    report = drive(plan)
    print("\n".join(report.lines()))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
