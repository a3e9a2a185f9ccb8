"""The built-in engine: every GGUF file of the models folder is a model, served by a child of its own from its first use on.

It tells of each change through `on_change`: a file that came or went, a server that woke or fell. Everything runs on one event loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from sekisho.core.model.ids import BUILTIN, canonical_model
from sekisho.core.model.snapshot import Credential, Model
from sekisho.core.ports import EngineError
from sekisho.engines.library import File, Ignored, Library
from sekisho.engines.processes import Order, Process
from sekisho.engines.servers import Server, Starter, State
from sekisho.engines.settings import Engines
from sekisho.kit.clock import Clock, SystemClock
from sekisho.kit.tasks import Tasks

CREDENTIAL: Final = "builtin"
"""The id of the credential that each server makes anew."""

log = logging.getLogger(__name__)


class BuiltInEngine:
    """Implements `core.ports.EngineControl`; see the module."""

    def __init__(
        self,
        folder: Path,
        settings: Engines | None = None,
        *,
        on_change: Callable[[], Awaitable[object]],
        clock: Clock | None = None,
        start: Starter = Process.start,
    ) -> None:
        self._library = Library(folder)
        self._settings = settings or Engines()
        self._on_change = on_change
        self._clock = clock or SystemClock()
        self._start = start
        self._tasks = Tasks(lambda name, error: log.error("%s failed", name, exc_info=error))
        self._servers: dict[str, tuple[File, Server]] = {}
        self._closed = False

    async def open(self) -> None:
        """Make the folder if it is missing, read it, and begin to watch it. Starts no server and calls no `on_change`."""
        await asyncio.to_thread(self._library.folder.mkdir, mode=0o700, exist_ok=True)
        await asyncio.to_thread(self._library.look, patient=False)
        await self._arrange()
        self._tasks.start(self._watch(), "models folder")

    async def close(self) -> None:
        """End all servers. `on_change` is not called any more."""
        self._closed = True
        servers = [server for _, server in self._servers.values()]
        await asyncio.gather(*(server.stop() for server in servers))
        await self._tasks.stop()

    def models(self) -> tuple[Model, ...]:
        """The models as the snapshot has them, in order of their names."""
        return tuple(self._model(*self._servers[name]) for name in sorted(self._servers))

    def ignored(self) -> tuple[Ignored, ...]:
        """The GGUF files that are not served, and why."""
        return self._library.ignored

    def states(self) -> tuple[State, ...]:
        """How each server is, in order of the names."""
        return tuple(self._servers[name][1].state() for name in sorted(self._servers))

    async def wake(self, model: str) -> None:
        """Return when the model (`builtin/name`) answers and `on_change` was told of it; raises EngineError."""
        provider, _, name = model.partition("/")
        known = self._servers.get(name) if provider == BUILTIN else None
        if known is None or self._closed:
            raise EngineError(f"there is no model {model}; put its file into {self._library.folder}")
        await known[1].wake()

    async def look(self) -> None:
        """Read the folder now, and tell of what is new."""
        if await asyncio.to_thread(self._library.look, patient=True):
            await self._arrange()
            await self._changed()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.watch_interval_s)
            await self.look()

    async def _arrange(self) -> None:
        """Make the servers fit the files: a file that changed gets a new one."""
        files = self._library.files
        gone = [name for name, (file, _) in self._servers.items() if files.get(name) != file]
        stopped = [self._servers.pop(name)[1] for name in gone]
        for name, file in files.items():
            if name not in self._servers:
                self._servers[name] = (file, self._server(file))
        await asyncio.gather(*(server.stop() for server in stopped))

    def _server(self, file: File) -> Server:
        order = Order(
            model=file.model,
            path=str(file.path),
            embeds_only=file.embeds_only,
            context_tokens=self._context(file),
            slots=self._settings.slots,
            threads=self._settings.threads,
            start_timeout_s=self._settings.start_timeout_s,
        )
        return Server(order, tasks=self._tasks, clock=self._clock, on_change=self._changed, start=self._start)

    def _context(self, file: File) -> int:
        return min(file.facts.context_length or self._settings.context_tokens, self._settings.context_tokens)

    def _model(self, file: File, server: Server) -> Model:
        process = server.process
        return Model(
            id=canonical_model(BUILTIN, file.model),
            provider=BUILTIN,
            upstream_model=file.model,
            capabilities=("embeddings",) if file.embeds_only else ("chat", "completions", "embeddings"),
            context_length=self._context(file),
            created=file.signature.modified_ns // 1_000_000_000,
            base_url=f"{process.address}/v1" if process else "",
            credential=Credential(id=CREDENTIAL, secret=process.key.reveal()) if process else None,
        )

    async def _changed(self) -> None:
        if self._closed:
            return
        try:
            await self._on_change()
        except Exception:
            log.exception("a change of the built-in engine could not be told")
