"""A package tries itself before it takes over a running house: everything is imported, the settings are read, the doors compared.

`python -m sekisho.app.rehearsal` with a `handover.Rehearsal` on standard input ends with 0, or with 1 and one line that says what is wrong.
"""

import sys
from typing import Final

import msgspec

from sekisho.app import build, doors, handover, node, settings, supervisor
from sekisho.dataplane import worker

PARTS: Final = (supervisor, node, build, worker)
"""What the house is run by. That they could be imported is half of the rehearsal."""


def main() -> None:
    """Try the other half."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=handover.Rehearsal)
    try:
        loaded = settings.load(task.flags)
        doors.prepare(loaded)
    except (settings.SettingsError, doors.DoorError) as error:
        sys.exit(str(error))
    if {each.name for each in doors.planned(loaded.settings)} != set(task.listeners):
        sys.exit("the listeners are others than those that are open, which takes a restart")


if __name__ == "__main__":
    main()
