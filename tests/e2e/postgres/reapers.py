"""Kills a database server under load."""

import threading
import time
from typing import TYPE_CHECKING, Final

from tests.support.product import eventually

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

AWAY_S: Final = 1.0
"""How long the server stays dead."""


class Reaper(threading.Thread):
    """Kills the server each time that so many calls more are recorded, and starts it again after a while."""

    def __init__(self, cluster: "Cluster", database: str, calls: int, times: int) -> None:
        super().__init__(name="the server's end", daemon=True)
        self._cluster, self._database, self._calls, self._times = cluster, database, calls, times
        self.killed = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for number in range(1, self._times + 1):
                eventually(lambda wanted=number * self._calls: self._recorded() >= wanted, "recorded calls", 60.0)
                self._cluster.kill()
                self.killed += 1
                time.sleep(AWAY_S)
                self._cluster.begin()
        except BaseException as error:
            self.failure = error

    def _recorded(self) -> int:
        if not self._cluster.execute("SELECT 1 FROM pg_tables WHERE tablename = 'calls'", database=self._database):
            return 0
        return int(self._cluster.execute("SELECT count(*) FROM calls", database=self._database)[0][0])
