"""Starts the child of one model and knows when it ends. One instance is one life of one process."""

import asyncio
import contextlib
import importlib.util
import os
import re
import sys
from typing import Final

import msgspec

from sekisho.core.ports import EngineError
from sekisho.engines import child
from sekisho.kit.crypto import Secret, token
from sekisho.kit.tasks import Tasks

LAST_WORDS_BYTES: Final = 8 * 1024
"""As much of what the engine said is kept, to tell why it fell."""
STOP_SECONDS: Final = 2.0
"""For ending by itself, which takes a few milliseconds; then it is killed."""

_PRIVATE: Final = re.compile(r"^SEKISHO_|KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|DATABASE_URL", re.IGNORECASE)
_LINE: Final = re.compile(r"^\d[\d.]* (?P<level>[A-Z]) (?:\w+ +)?\w+: (?:error loading model: )?(?P<text>.+)$")
"""A line of the engine's log: time, level, component, function, text."""


class Order(msgspec.Struct, frozen=True):
    """What the child is to serve; `child.py` reads the same names."""

    model: str
    path: str
    embeds_only: bool
    context_tokens: int
    slots: int
    threads: int | None
    start_timeout_s: float


class Process:
    """A child that listens; made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, listener: asyncio.Task[None], said: bytearray, key: Secret) -> None:
        self._process = process
        self._listener = listener
        self._said = said
        self.key = key
        self.address = ""
        """Such as `http://127.0.0.1:40123`."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(cls, order: Order, tasks: Tasks) -> "Process":
        """Return when the model is loaded and answers; raises EngineError with the reason in words for people."""
        if importlib.util.find_spec("xllamacpp") is None:
            raise EngineError("the built-in engine is not installed; install the package with its extra: pip install 'sekisho[llama]'")
        key = token()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", child.__file__),  # by its path: it needs nothing else of the package
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={name: value for name, value in os.environ.items() if not _PRIVATE.search(name)},
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, who ends us in order
            )
        except OSError as error:
            raise EngineError(f"the engine's process cannot be started: {error.strerror}") from None
        said = bytearray()
        listener = tasks.start(_listen(process, said), f"output of the engine of {order.model}")
        started = cls(process, listener, said, Secret(key))
        try:
            async with asyncio.timeout(order.start_timeout_s):
                started.address = await started._introduce(order, key)
        except TimeoutError:
            await started.stop()
            raise EngineError(
                f"{order.model} was not loaded within {order.start_timeout_s:g} s; raise engines.start_timeout_s, or use a smaller model"
            ) from None
        except BaseException:
            await started.stop()
            raise
        return started

    async def _introduce(self, order: Order, key: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = msgspec.json.encode({**msgspec.to_builtins(order), "key": key, "parent": os.getpid()})
        with contextlib.suppress(ConnectionError):  # it ended before it could listen; the answer will be empty
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()
        answer = await self._process.stdout.readline()
        address = msgspec.json.decode(answer).get("address") if answer else None
        if address:
            return str(address)
        await self._process.wait()
        await self._listener
        raise EngineError(f"{order.model} cannot be loaded: {self.last_words()}")

    async def ended(self) -> str:
        """Return when the process is gone, with the reason in words for people."""
        code = await self._process.wait()
        await self._listener
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"its process ended with {how} ({self.last_words()})"

    async def stop(self) -> None:
        """End the process and wait until it is gone; may be called twice."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._listener

    def last_words(self) -> str:
        """The first error that it logged, else the last line that was none of its log, such as that of a failed assertion."""
        other = ""
        for line in self._said.decode("utf-8", "replace").splitlines():
            if (found := _LINE.match(line)) is None:
                other = line.strip() or other
            elif found["level"] == "E":
                return found["text"].strip()[:300]
        return other[:300] or "it did not say why"


async def _listen(process: asyncio.subprocess.Process, said: bytearray) -> None:
    assert process.stderr is not None
    while piece := await process.stderr.read(4096):
        said += piece
        del said[:-LAST_WORDS_BYTES]
