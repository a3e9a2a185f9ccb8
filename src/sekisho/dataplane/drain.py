"""Leaving in good order: no new connections, running calls finish, then the end; after the drain time they are cut with an error event.

With patience, idle connections stay open at first: whoever asks on one is answered, and told by that answer to connect anew.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

POLL_S: Final = 0.05


class Draining(Protocol):
    """What a door offers to be drained."""

    def stop_accepting(self) -> None: ...

    def drain(self) -> None: ...

    def cut(self) -> None: ...

    def __len__(self) -> int: ...


async def drain(doors: Iterable[Draining], within: float, clock: Callable[[], float], patience: float = 0.0) -> bool:
    """Wait until the doors are empty, all times in seconds. False where the time was up and calls had to be cut."""
    held = list(doors)
    for door in held:
        door.stop_accepting()
    until = clock() + within
    patient_until = clock() + min(patience, within / 2)
    while any(len(door) for door in held):
        if clock() >= patient_until:
            for door in held:
                door.drain()
        if clock() >= until:
            for door in held:
                door.cut()
            return False
        await asyncio.sleep(POLL_S)
    return True
