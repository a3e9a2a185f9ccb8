"""What is put off is done once, first rank first, and what is put off meanwhile waits for the next turn of its rank."""

from collections.abc import Callable, Generator
from typing import Any

import pytest

from sekisho.kit.drive import END, Drive
from sekisho.kit.turn import Turn


class Loop:
    """Calls what it was asked to when the test says that the turn is over."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], Any]] = []
        self.log: list[str] = []
        self.turn = Turn(self.asked.append)

    def note(self, word: str) -> Callable[[], None]:
        return lambda: self.log.append(word)

    def wait(self, word: str) -> None:
        """A coroutine that waits for the turn's end."""

        async def waiting() -> None:
            await self.turn.end()
            self.log.append(word)

        Drive(waiting(), self.raise_).step()

    def raise_(self, error: BaseException) -> None:
        raise error

    def end(self) -> None:
        asked, self.asked[:] = list(self.asked), []
        for each in asked:
            each()


def test_the_first_rank_goes_first_however_late_it_came() -> None:
    loop = Loop()
    loop.wait("answer")
    loop.turn.put_off(loop.note("request"))
    loop.wait("another answer")
    assert loop.log == []
    loop.end()
    assert loop.log == ["request", "answer", "another answer"]


def test_the_loop_is_asked_once_a_turn_and_not_at_all_for_nothing() -> None:
    loop = Loop()
    assert loop.asked == []
    loop.turn.put_off(loop.note("a"))
    loop.turn.put_off(loop.note("b"))
    assert len(loop.asked) == 1
    loop.end()
    assert loop.asked == []
    assert loop.log == ["a", "b"]


def test_what_an_answer_sets_off_is_done_in_the_next_turn() -> None:
    """The next pipelined request is served as soon as its predecessor's answer is written."""
    loop = Loop()

    async def answering() -> None:
        await loop.turn.end()
        loop.log.append("answer")
        loop.turn.put_off(loop.note("next request"))

    Drive(answering(), loop.raise_).step()
    loop.end()
    assert loop.log == ["answer"]
    loop.end()
    assert loop.log == ["answer", "next request"]


def test_a_request_that_a_request_sets_off_is_not_lost() -> None:
    loop = Loop()
    loop.turn.put_off(lambda: loop.turn.put_off(loop.note("later")))
    loop.end()
    loop.end()
    assert loop.log == ["later"]


def test_a_coroutine_that_ends_by_resting_is_dropped() -> None:
    """Nobody holds it, so it goes at once, and no error is told."""
    crashes: list[BaseException] = []
    gone: list[str] = []

    class Held:
        def __del__(self) -> None:
            gone.append("gone")

    async def resting() -> None:
        held = Held()
        assert held
        await END

    Drive(resting(), crashes.append).step()
    assert gone == ["gone"]
    assert crashes == []


def test_a_baton_that_was_handed_before_is_not_waited_for() -> None:
    loop = Loop()
    baton = loop.turn.end()
    baton.hand("value")
    steps: Generator[Any, None, Any] = baton.__await__()
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "value"
