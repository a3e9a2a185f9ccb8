"""A driven coroutine runs inside the call that hands it what it waits for."""

import asyncio

from sekisho.kit.drive import Baton, Drive


class Stage:
    """A coroutine's surroundings: what it said, and how it crashed."""

    def __init__(self) -> None:
        self.said: list[object] = []
        self.crashes: list[BaseException] = []

    async def wait_for(self, *batons: Baton) -> None:
        for baton in batons:
            self.said.append(await baton)
        self.said.append("end")

    async def fall(self, baton: Baton) -> None:
        await baton
        raise RuntimeError("fell")

    async def follow(self, future: "asyncio.Future[str]", baton: Baton) -> None:
        self.said.append(await future)
        self.said.append(await baton)


def test_it_goes_on_inside_the_hand_over() -> None:
    stage, first, second = Stage(), Baton(), Baton()
    Drive(stage.wait_for(first, second), stage.crashes.append).step()
    assert stage.said == []
    first.hand("one")
    assert stage.said == ["one"]
    second.hand("two")
    assert stage.said == ["one", "two", "end"]
    assert stage.crashes == []


def test_what_was_handed_before_is_not_waited_for() -> None:
    stage, first, second = Stage(), Baton(), Baton()
    first.hand(1)
    second.hand()
    Drive(stage.wait_for(first, second), stage.crashes.append).step()
    assert stage.said == [1, None, "end"]


def test_a_second_hand_over_is_ignored() -> None:
    stage, baton, other = Stage(), Baton(), Baton()
    Drive(stage.wait_for(baton, other, baton), stage.crashes.append).step()
    baton.hand("first")
    baton.hand("second")
    assert stage.said == ["first"]
    other.hand(None)
    assert stage.said == ["first", None, "first", "end"]
    assert baton.handed


def test_a_crash_is_told_once_and_not_raised_at_who_hands() -> None:
    stage, baton = Stage(), Baton()
    Drive(stage.fall(baton), stage.crashes.append).step()
    baton.hand()
    baton.hand()
    assert [str(crash) for crash in stage.crashes] == ["fell"]


def test_a_future_of_the_loop_is_followed_without_a_task() -> None:
    async def scene() -> None:
        stage, baton = Stage(), Baton()
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        Drive(stage.follow(future, baton), stage.crashes.append).step()
        assert len(asyncio.all_tasks()) == 1
        future.set_result("future")
        baton.hand("baton")
        assert stage.said == []
        await asyncio.sleep(0)
        assert stage.said == ["future", "baton"]
        assert stage.crashes == []

    asyncio.run(scene())


def test_a_failed_future_is_the_coroutines_crash() -> None:
    async def scene() -> None:
        stage = Stage()
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        Drive(stage.follow(future, Baton()), stage.crashes.append).step()
        future.set_exception(OSError("no disk"))
        await asyncio.sleep(0)
        assert [str(crash) for crash in stage.crashes] == ["no disk"]

    asyncio.run(scene())
