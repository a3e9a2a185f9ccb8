"""Makes or renews a pair in a process of its own, so that the supervisor never loads what that takes.

`python -m sekisho.certs`: one JSON object on standard input; ends with 0, or with 1 and one line on standard error.
"""

import os
import sys
from pathlib import Path

import msgspec

from sekisho.certs import authorities
from sekisho.kit.clock import SystemClock


class Order(msgspec.Struct, frozen=True):
    """What is wanted."""

    directory: str
    mode: str
    hosts: tuple[str, ...]
    """Addresses that are listened on."""
    names: tuple[str, ...]
    """Further names from the settings."""


def main() -> int:
    """Do it; the exit status."""
    os.umask(0o077)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    names = authorities.names_of_host(order.hosts, order.names)
    try:
        authorities.ensure(Path(order.directory), order.mode, names, SystemClock().now())
    except authorities.AuthorityError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
