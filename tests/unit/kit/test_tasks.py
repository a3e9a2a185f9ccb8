"""A named task is held until it ends, and its fall is heard."""

import asyncio

from sekisho.kit.tasks import Tasks


def test_a_crash_is_told_with_the_tasks_name() -> None:
    async def scene() -> None:
        crashes: list[tuple[str, str]] = []
        tasks = Tasks(lambda name, error: crashes.append((name, str(error))))

        async def fall() -> None:
            raise RuntimeError("fell")

        await asyncio.wait([tasks.start(fall(), "faller")])
        assert crashes == [("faller", "fell")]
        assert len(tasks) == 0

    asyncio.run(scene())


def test_a_task_that_ends_well_gives_its_value_and_is_let_go() -> None:
    async def scene() -> None:
        crashes: list[str] = []
        tasks = Tasks(lambda name, error: crashes.append(name))

        async def work() -> int:
            return 7

        task = tasks.start(work(), "worker")
        assert len(tasks) == 1
        assert await task == 7
        assert len(tasks) == 0
        assert crashes == []

    asyncio.run(scene())


def test_stopping_cancels_waits_and_is_no_crash() -> None:
    async def scene() -> None:
        crashes: list[str] = []
        tasks = Tasks(lambda name, error: crashes.append(name))
        ended: list[int] = []

        async def wait(number: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(number)

        for number in range(3):
            tasks.start(wait(number), f"waiter {number}")
        await asyncio.sleep(0)
        await tasks.stop()
        assert sorted(ended) == [0, 1, 2]
        assert len(tasks) == 0
        assert crashes == []

    asyncio.run(scene())
