"""Runs inside each process of the product while it soaks: a thread that writes now and then how many asyncio tasks there are.

Python loads a module of this name at its start when it is found on the path, which the soak sees to. Nothing else is touched.
"""

import asyncio.tasks
import os
import threading
import time

EVERY_S = 1.0


def _tasks() -> int:
    """All tasks that are not done, of every loop of the process."""
    while True:
        try:
            # The first name until Python 3.11, the second since.
            known = getattr(asyncio.tasks, "_all_tasks", None) or getattr(asyncio.tasks, "_scheduled_tasks", None) or ()
            return sum(not task.done() for task in list(known))
        except RuntimeError:
            continue  # one came or went while they were listed


def _observe(folder: str) -> None:
    path = os.path.join(folder, str(os.getpid()))
    while True:
        with open(path + ".new", "w") as file:
            file.write(str(_tasks()))
        os.replace(path + ".new", path)
        time.sleep(EVERY_S)


if "SEKISHO_BENCH_GAUGES" in os.environ:
    threading.Thread(target=_observe, args=(os.environ["SEKISHO_BENCH_GAUGES"],), name="observer", daemon=True).start()
