"""The worker's end of the link: it installs what the node sends, whole or not at all, and goes on with that while the node is away."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol, cast

from sekisho.core.model.snapshot import Catalog, Key
from sekisho.core.policy.access import Keys
from sekisho.core.wire import link as wire
from sekisho.kit.drive import Baton

RETRY_S: Final = 0.02
"""First pause before the node's socket is tried again; it doubles up to `RETRY_MOST_S`."""
RETRY_MOST_S: Final = 0.5
STEADY_S: Final = 1.0
"""A connection that lasted so long was a good one."""

MOST_UNREAD: Final = 256 * 1024
"""Bytes that a node may leave unread before it is spared what can wait."""
MOST_UNSENT: Final = 1024 * 1024
"""Bytes beyond which its link is cut: what is said to a new one begins with where everything stands, so nothing of it has to be kept."""

_log = logging.getLogger(__name__)


class Sharer(Protocol):
    """Who counts together with the other workers."""

    def joined(self) -> None:
        """There is a node to tell again, maybe another one."""

    def lost(self) -> None:
        """There is none."""

    def set_clock(self, at: float) -> None:
        """The node's clock showed this a moment ago."""

    def take(self, shares: wire.Shares) -> None:
        """What the others did."""


class Link(asyncio.Protocol):
    """Keeps a connection to the node as long as the worker lives.

    `install_catalog(catalog)` and `install_keys(keys)` swap; `patch_keys(changed, gone)` applies a delta; `drain()` is the node's wish.
    """

    def __init__(
        self,
        path: str,
        hello: wire.Hello,
        install: Callable[[Catalog | None, Keys | None], None],
        patch_keys: Callable[[tuple[Key, ...], tuple[bytes, ...]], None],
        drain: Callable[[], None],
    ) -> None:
        self._path = path
        self._hello = hello
        self._install = install
        self._patch_keys = patch_keys
        self._drain = drain
        self._transport: asyncio.Transport | None = None
        self._splitter = wire.Splitter()
        self._lost = asyncio.Event()
        self._pending_catalog: Catalog | None = None
        self._pending_keys: Keys | None = None
        self._sleepers: dict[str, list[Baton]] = {}
        self.sharer: Sharer | None = None
        self.revision = 0
        """The newest revision in force; 0 before the first."""

    async def keep(self) -> None:
        """Connect, and connect again whenever the connection ends. Never returns."""
        pause = RETRY_S
        while True:
            self._lost = asyncio.Event()
            try:
                await asyncio.get_running_loop().create_unix_connection(lambda: self, self._path)
            except OSError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST_S)
                continue
            since = asyncio.get_running_loop().time()
            await self._lost.wait()
            if asyncio.get_running_loop().time() - since > STEADY_S:
                pause = RETRY_S
            else:
                # It ended as soon as it had begun: a node that is not itself is not asked again at full speed.
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST_S)

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are transports by behaviour, not by descent.
        self._transport = cast(asyncio.Transport, transport)
        self._splitter = wire.Splitter()
        self._pending_catalog = None
        self._pending_keys = None
        self._send(self._hello)
        if self.sharer is not None:
            self.sharer.joined()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.sharer is not None:
            self.sharer.lost()
        for model in list(self._sleepers):
            self._tell_sleepers(model, "the control plane is away and cannot start the engine; try again")
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._splitter.feed(data):
                self._take(wire.decode_to_worker(payload))
        except wire.LinkError as error:
            _log.error("the node sent what is no frame of the link; connecting anew", extra={"reason": str(error)})
            if self._transport is not None:
                self._transport.abort()

    def _take(self, message: wire.ToWorker) -> None:
        match message:
            case wire.CatalogFrame(catalog, whole, at):
                if whole:
                    if self.sharer is not None:
                        self.sharer.set_clock(at)
                    self._pending_catalog = catalog
                    self._pending_keys = Keys()
                else:
                    self._install(catalog, None)
                    self._in_force(catalog.revision)
                    self._wake_sleepers(catalog)
            case wire.KeyPage(revision, keys, last):
                if self._pending_keys is None:
                    return
                self._pending_keys.extend(keys)
                if last:
                    self._install(self._pending_catalog, self._pending_keys)
                    self._pending_catalog = self._pending_keys = None
                    self._in_force(revision)
            case wire.KeyDelta(revision, keys, gone):
                self._patch_keys(keys, gone)
                self._in_force(revision)
            case wire.Shares():
                if self.sharer is not None:
                    self.sharer.take(message)
            case wire.WakeFailed(model, reason):
                self._tell_sleepers(model, reason)
            case wire.Drain():
                self._drain()

    def _in_force(self, revision: int) -> None:
        self.revision = revision
        self._send(wire.Ack(revision))

    def _wake_sleepers(self, catalog: Catalog) -> None:
        if self._sleepers:
            for model in catalog.models:
                if model.base_url and model.id in self._sleepers:
                    self._tell_sleepers(model.id, None)

    def _tell_sleepers(self, model: str, reason: str | None) -> None:
        for baton in self._sleepers.pop(model, ()):
            baton.hand(reason)

    def _send(self, message: wire.ToNode) -> None:
        transport = self._transport
        if transport is None:
            return
        transport.write(wire.encode(message))
        if transport.get_write_buffer_size() > MOST_UNSENT:
            _log.warning("the node does not read; connecting anew", extra={"unsent_bytes": transport.get_write_buffer_size()})
            self._transport = None
            transport.abort()

    # Called by the worker.

    @property
    def connected(self) -> bool:
        return self._transport is not None

    @property
    def keeps_up(self) -> bool:
        """Whether there is a node, and one that reads what it is sent."""
        return self._transport is not None and self._transport.get_write_buffer_size() < MOST_UNREAD

    def pulse(self, pulse: wire.Pulse) -> None:
        if self.keeps_up:
            self._send(pulse)

    def count(self, counts: wire.Counts) -> None:
        self._send(counts)

    def wake(self, model: str) -> Baton:
        """Have a sleeping engine started; the baton brings None when it is awake, or the reason why not."""
        baton = Baton()
        if self._transport is None:
            baton.hand("the control plane is away and cannot start the engine; try again")
            return baton
        waiting = self._sleepers.setdefault(model, [])
        waiting.append(baton)
        if len(waiting) == 1:
            self._send(wire.Wake(model))
        return baton
