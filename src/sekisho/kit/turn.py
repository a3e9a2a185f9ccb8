"""The end of the loop's turn: when all that has come in was read. What was put off until then is done, in two ranks.

A process that gets its work in one piece is woken once, and waking it is the dearest part of a small write. So what goes to
providers is put off and leaves first, one piece right behind the other; what goes to clients follows.
"""

from collections.abc import Callable
from typing import Any

from sekisho.kit.drive import Baton


class Turn:
    """Of one loop. It costs a call of the loop where anything was put off, and nothing where not."""

    def __init__(self, call_soon: Callable[[Callable[[], Any]], Any]) -> None:
        self._call_soon = call_soon
        self._asked = False
        self._first: list[Callable[[], None]] = []
        self._then: list[Baton] = []

    def put_off(self, action: Callable[[], None]) -> None:
        """Do this at the turn's end, in the first rank. It must not raise."""
        if not self._asked:
            self._ask()
        self._first.append(action)

    def end(self) -> Baton:
        """Handed over in the second rank."""
        if not self._asked:
            self._ask()
        baton = Baton()
        self._then.append(baton)
        return baton

    def _ask(self) -> None:
        self._asked = True
        self._call_soon(self._run)

    def _run(self) -> None:
        self._asked = False
        first, self._first = self._first, []
        for action in first:
            action()
        then, self._then = self._then, []
        for baton in then:
            baton.hand()
