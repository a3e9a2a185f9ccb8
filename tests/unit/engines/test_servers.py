"""The lives of a server, in virtual time, with processes that fall when told to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.virtual_time import VirtualClock, run

from sekisho.core.ports import EngineError
from sekisho.engines.processes import Order, Process
from sekisho.engines.servers import DELAYS, REFUSE_SECONDS, STEADY_SECONDS, Phase, Server
from sekisho.kit.crypto import Secret
from sekisho.kit.tasks import Tasks

ORDER = Order(model="m", path="/m.gguf", embeds_only=False, context_tokens=512, slots=1, threads=None, start_timeout_s=1.0)


class Fallible(Process):
    """A process without a process: it lives until it is told to fall."""

    def __init__(self, pid: int) -> None:
        self.address = f"http://127.0.0.1:{pid}"
        self.key = Secret(str(pid))
        self._pid = pid
        self._over = asyncio.Event()
        self.stopped = False

    @property
    def pid(self) -> int:
        return self._pid

    def fall(self) -> None:
        self._over.set()

    async def ended(self) -> str:
        await self._over.wait()
        return "it was pushed"

    async def stop(self) -> None:
        self.stopped = True
        self._over.set()


class Scene:
    """A server, its processes, and what was told of it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.processes: list[Fallible] = []
        self.starts: list[float] = []
        self.told: list[str] = []
        self.hindrance: list[str] = []
        """Reasons for which the next starts fail."""
        self.load_seconds = 1.0
        self.crashes: list[tuple[str, BaseException]] = []

    async def start(self, order: Order, tasks: Tasks) -> Process:
        self.starts.append(self.clock.monotonic())
        await asyncio.sleep(self.load_seconds)
        if self.hindrance:
            raise EngineError(self.hindrance.pop(0))
        self.processes.append(Fallible(len(self.processes) + 1))
        return self.processes[-1]

    async def change(self) -> None:
        await asyncio.sleep(0.01)
        self.told.append(self.server.process.address if self.server.process else "")

    async def up(self, number: int) -> None:
        """Return when the process of this number is the one that answers."""
        await until(lambda: len(self.processes) > number and self.server.process is self.processes[number])

    def play(self, story: Callable[["Scene", Server], Awaitable[None]]) -> "Scene":
        async def whole() -> None:
            tasks = Tasks(lambda name, error: self.crashes.append((name, error)))
            self.server = Server(ORDER, tasks=tasks, clock=self.clock, on_change=self.change, start=self.start)
            await story(self, self.server)
            await self.server.stop()
            assert len(tasks) == 0
            assert all(process.stopped for process in self.processes)

        run(whole(), self.clock)
        assert self.crashes == []
        return self


async def failure(server: Server) -> str:
    with pytest.raises(EngineError) as caught:
        await server.wake()
    return str(caught.value)


async def until(happened: Callable[[], Any]) -> None:
    """Let virtual time pass until it is so."""
    while not happened():  # noqa: ASYNC110 - the clock is ours
        await asyncio.sleep(0.001)


def test_all_who_wake_it_share_one_start_and_return_after_the_change_was_told() -> None:
    async def story(scene: Scene, server: Server) -> None:
        assert server.state().phase == Phase.ASLEEP

        async def wake() -> None:
            await server.wake()
            assert scene.told == ["http://127.0.0.1:1"]

        async def late() -> None:
            await until(lambda: server.process)  # up, but the change is still being told
            assert scene.told == []
            await wake()

        waking = asyncio.gather(*(wake() for _ in range(20)), late())
        await asyncio.sleep(0.5)
        assert server.state().phase == Phase.STARTING
        await waking
        assert server.state().phase == Phase.AWAKE
        await server.wake()

    assert Scene().play(story).starts == [0.0]


def test_a_model_that_cannot_be_loaded_says_why_and_is_not_tried_at_once() -> None:
    async def story(scene: Scene, server: Server) -> None:
        scene.hindrance = ["m cannot be loaded: bad bytes"]
        assert list(await asyncio.gather(failure(server), failure(server))) == ["m cannot be loaded: bad bytes"] * 2
        assert server.state().phase == Phase.REFUSED
        assert await failure(server) == "m cannot be loaded: bad bytes; it will be tried again in 5 s"
        await asyncio.sleep(REFUSE_SECONDS)
        assert server.state().phase == Phase.ASLEEP
        await server.wake()

    scene = Scene().play(story)
    assert scene.starts == [0.0, 1.0 + REFUSE_SECONDS]


def test_who_falls_is_started_again_at_once_by_itself_with_a_new_address() -> None:
    async def story(scene: Scene, server: Server) -> None:
        await server.wake()
        scene.processes[0].fall()
        await until(lambda: scene.told[1:] == [""])
        await server.wake()
        assert server.process is scene.processes[1]
        assert server.state().falls == 1
        assert server.state().last_error == "m fell: it was pushed"

    assert Scene().play(story).told[:3] == ["http://127.0.0.1:1", "", "http://127.0.0.1:2"]


def test_who_falls_again_and_again_is_started_later_and_later_and_then_not_at_all() -> None:
    async def story(scene: Scene, server: Server) -> None:
        await server.wake()
        for number in range(len(DELAYS) + 1):
            await scene.up(number)
            scene.processes[number].fall()
            await until(lambda: server.process is None)
        assert await failure(server) == f"m fell: it was pushed, {len(DELAYS) + 1} times in a row"
        await asyncio.sleep(1000)

    scene = Scene().play(story)
    waits = [later - earlier - scene.load_seconds for earlier, later in zip(scene.starts, scene.starts[1:], strict=False)]
    assert waits == [pytest.approx(delay, abs=0.1) for delay in DELAYS]


def test_who_stood_for_long_falls_for_the_first_time_again() -> None:
    async def story(scene: Scene, server: Server) -> None:
        await server.wake()
        for number in range(2 * len(DELAYS)):
            await scene.up(number)
            await asyncio.sleep(STEADY_SECONDS)
            scene.processes[number].fall()
            await until(lambda: server.process is None)
        await server.wake()

    assert len(Scene().play(story).starts) == 2 * len(DELAYS) + 1


@pytest.mark.parametrize("after", [0.0, 0.5, 1.005, 2.0], ids=["before it began", "while it loads", "while the change is told", "awake"])
def test_a_stop_at_any_time_ends_the_process_and_frees_who_waits(after: float) -> None:
    async def story(scene: Scene, server: Server) -> None:
        waiting = asyncio.gather(server.wake(), return_exceptions=True)
        await asyncio.sleep(after)
        await server.stop()
        (outcome,) = await waiting
        assert (outcome is None) if after == 2.0 else isinstance(outcome, EngineError)
        assert server.process is None

    Scene().play(story)


def test_a_waiter_that_gives_up_does_not_end_the_start_of_the_others() -> None:
    async def story(scene: Scene, server: Server) -> None:
        impatient = asyncio.gather(asyncio.wait_for(server.wake(), 0.1), return_exceptions=True)
        await server.wake()
        (outcome,) = await impatient
        assert isinstance(outcome, TimeoutError)

    assert Scene().play(story).starts == [0.0]
