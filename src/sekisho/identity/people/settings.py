"""What a password has to be, and what it costs to try one."""

from typing import Final

SHORTEST: Final = 12
LONGEST: Final = 256
"""Characters. A sentence fits; a body full of text is not hashed."""

TIME_COST: Final = 2
MEMORY_KIB: Final = 19 * 1024
LANES: Final = 1
"""argon2id as OWASP's list has it (19 MiB, 2 passes, 1 lane): about 22 ms of one core here. RFC 9106's second choice, 64 MiB and 3
passes, costs 160 ms and empties the caches of a small machine, on which the calls of the gateway run beside it."""

THREADS: Final = 1
QUEUE: Final = 32
"""Passwords that wait for their turn at most: about a second."""
