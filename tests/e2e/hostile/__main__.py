"""`python -m tests.e2e.hostile --sockets 10000`: a siege by hand; prints what became of everybody."""

import argparse
import resource
import sys

from tests.e2e.hostile.sieges import describe, gateway, lay


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.hostile", description="Lay siege to a gateway with slow clients.")
    parser.add_argument("--sockets", type=int, default=2000, help="in four groups of one size")
    parser.add_argument("--slack", type=float, default=5.0, help="seconds to wait beyond the last deadline")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with gateway() as besieged:
        outcome = lay(besieged, options.sockets, slack=options.slack)
    print(describe(outcome))
    return 0 if all(stranger.ended_at is not None for stranger in outcome.crowd.strangers) and not outcome.guest.failures else 1


if __name__ == "__main__":
    sys.exit(main())
