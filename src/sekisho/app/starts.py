"""A start: the settings are read, the home is locked, the ports are bound; then there is a supervisor, or one line that says why not."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final, TextIO

from sekisho.app import doors, handover, homes, ports, settings
from sekisho.app.supervisor import Commands, Supervisor, complain
from sekisho.telemetry import logs

LEFTOVER_SECONDS: Final = 5.0
"""How long the workers of a supervisor that was killed may hold the ports; they let go as soon as they notice."""


@contextlib.contextmanager
def _locked(home: homes.Home, before: handover.Handover | None) -> Iterator[int]:
    """The lock of the home, taken now or inherited; raises HomeError."""
    if before is None:
        with home.locked() as lock:
            yield lock
        return
    try:
        yield before.lock
    finally:
        homes.release(before.lock)


def run(flags: Mapping[str, str] | None = None, *, commands: Commands | None = None, out: TextIO | None = None) -> int:
    """Serve until told to stop; the exit status. Settings come from file, environment and `flags` (dotted names)."""
    os.umask(0o077)
    before = handover.taken()
    try:
        loaded = settings.load(flags)
        logs.setup(loaded.settings.logs.level, loaded.settings.logs.loggers)
        loaded.home.create()
        patience = LEFTOVER_SECONDS if loaded.home.was_cut_short() else 0.0
        with _locked(loaded.home, before) as lock, contextlib.ExitStack() as stack:
            plan = doors.planned(loaded.settings)
            taken = [each.port for each in plan]
            sockets = {
                each.name: stack.enter_context(
                    contextlib.closing(
                        ports.inherited(before.sockets[each.name])
                        if before is not None and each.name in before.sockets
                        else ports.bind_within(patience, partial(ports.bind, each.door, each.host, each.port, taken, each.setting))
                    )
                )
                for each in plan
            }
            doors.prepare(loaded)
            made = commands or Commands()
            return asyncio.run(Supervisor(loaded, flags or {}, sockets, lock, made, out or sys.stdout, before).run())
    except (settings.SettingsError, homes.HomeError, doors.DoorError, ports.StartError) as error:
        complain(str(error))
        return 1
