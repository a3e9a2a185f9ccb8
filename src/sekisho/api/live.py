"""`/api/live`: what passes right now, over a WebSocket. Messages are `{seq, type, data}`; docs/reference/management-api.md has them all.

Each socket has its own queue and is closed where it does not keep up. What a client sends is read and thrown away: it has nothing to say.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from sekisho.core.model.chat import UsageSource
from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.model.records import STAGES, CallBegan, CallEnded, Status
from sekisho.kit.clock import to_rfc3339
from sekisho.kit.tasks import Tasks
from sekisho.rest.errors import ApiError, invalid
from sekisho.rest.permissions import Caller, Permission, allows, identify, unidentified
from sekisho.rest.routing import ReadUsage, guarded_router
from sekisho.rest.sockets import ENDED, TOO_SLOW, GuardedSocket
from sekisho.storage.errors import StorageError
from sekisho.usage.model import Call
from sekisho.usage.schemas import CallTold

log = logging.getLogger(__name__)

router = guarded_router("live")

PATH: Final = "/api/live"
MOST: Final = 2000
"""Sockets at once."""
MOST_EACH: Final = 16
"""Of one login or access token: a tab has one."""
MOST_PERSON: Final = 200
"""Of one person, however many logins and tokens they make: nobody takes all there are."""
AGAIN_SECONDS: Final = 30.0
"""Between two questions whether a socket's caller may still look: most endings are told at once, an expiry tells nobody."""
FIRST_AGAIN_SECONDS: Final = 0.5
"""Until the first: a login may have ended while it was being opened."""
CLOSE_SECONDS: Final = 1.0
"""How long a goodbye may take to be written; who does not read does not hear it."""
_MOST_NUMBER: Final = 2**53
"""The largest that a browser tells apart from its neighbours."""


class Heartbeat(Protocol):
    """One second of the house, as `bridge.feeds` makes it."""

    @property
    def at(self) -> int: ...
    @property
    def passed(self) -> int: ...
    @property
    def refused(self) -> int | None: ...
    @property
    def failed(self) -> int: ...
    @property
    def gate_p50_us(self) -> int | None: ...
    @property
    def gate_p99_us(self) -> int | None: ...


class Item(Protocol):
    """What several readers share of a message."""

    text: str | None

    @property
    def record(self) -> tuple[str, CallBegan, CallEnded] | None: ...
    @property
    def heartbeat(self) -> Heartbeat | None: ...


class Message(Protocol):
    """What one reader is told."""

    @property
    def seq(self) -> int: ...
    @property
    def item(self) -> Item | None: ...
    @property
    def sampled(self) -> int: ...
    @property
    def heartbeat(self) -> Heartbeat | None: ...


class Reader(Protocol):
    """One who looks."""

    async def next(self) -> Message | None:
        """The next message; None once it was let go because it did not keep up."""
        ...


class Feed(Protocol):
    """Where the messages come from; `bridge.feeds.Feed` is the one of a node."""

    def __len__(self) -> int: ...

    def join(self, after: int | None, within: frozenset[str] | None, on_overflow: Callable[[], None]) -> Any:
        """Begin to look: behind a number, or anew. `within` are the projects whose calls may be seen; None means all."""
        ...

    def leave(self, reader: Any) -> None:
        """Look no more."""
        ...


class Live:
    """All sockets of a node. Subscribe `on_ended` to the endings of logins."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._open: dict[asyncio.Future[int], Caller] = {}
        """What each socket is open for; the future brings the code to close it with."""

    def __len__(self) -> int:
        return len(self._open)

    def on_ended(self, sessions: frozenset[str], user: str | None) -> None:
        """These logins ended, or this user may do other things now: their sockets close."""
        for closing, caller in self._open.items():
            if not closing.done() and ((caller.session_id in sessions) or (user is not None and caller.user_id == user)):
                closing.set_result(ENDED)

    async def serve(self, socket: WebSocket, caller: Caller) -> None:
        """One socket, from its acceptance to its end. Raises ApiError where it is not opened."""
        after = _number(socket.query_params.get("after"))
        self._require_room(caller)
        closing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._open[closing] = caller
        tasks = Tasks(lambda name, error: _crashed(closing, name, error))
        reader = None
        try:
            await socket.accept()
            reader = self._feed.join(after, caller.within(), lambda: _settle(closing, TOO_SLOW))
            tasks.start(_hear(socket, closing), "what a socket's client says")
            tasks.start(_tell(socket, reader), "what a socket's client is told")
            tasks.start(_ask_again(socket, caller, closing), "whether a socket's caller may look")
            code = await closing
            if code:
                # Whoever writes to it now would write into a closed socket.
                await tasks.stop()
                await _close(socket, code)
        except WebSocketDisconnect:
            # It left while it came.
            pass
        finally:
            del self._open[closing]
            if reader is not None:
                self._feed.leave(reader)
            await tasks.stop()

    def _require_room(self, caller: Caller) -> None:
        who = (caller.session_id, caller.token_id)
        if len(self._open) >= MOST:
            raise _full(503, Kind.OVERLOADED, f"{MOST} live feeds are open, which is all there are; close some")
        if who != (None, None) and sum((each.session_id, each.token_id) == who for each in self._open.values()) >= MOST_EACH:
            raise _full(429, Kind.RATE_LIMIT, f"{MOST_EACH} live feeds of this login are open, which is all it may have; close some")
        if caller.user_id is not None and sum(each.user_id == caller.user_id for each in self._open.values()) >= MOST_PERSON:
            raise _full(429, Kind.RATE_LIMIT, f"{MOST_PERSON} live feeds of yours are open, which is all you may have; close some")


def _full(status: int, kind: Kind, message: str) -> ApiError:
    return ApiError(Refusal(status, kind, "too_many_sockets", message, retry_after=10))


def _number(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= _MOST_NUMBER):
        raise invalid("after is the seq of a message of this feed; leave it out to begin anew", "after")
    return int(text)


def _settle(closing: "asyncio.Future[int]", code: int) -> None:
    if not closing.done():
        closing.set_result(code)


def _crashed(closing: "asyncio.Future[int]", name: str, error: BaseException) -> None:
    if not isinstance(error, WebSocketDisconnect):
        log.error("a live feed's socket fell", extra={"part": name}, exc_info=error)
    _settle(closing, 1011)


async def _hear(socket: WebSocket, closing: "asyncio.Future[int]") -> None:
    """Notice the client's leaving."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
    _settle(closing, 0)


async def _tell(socket: WebSocket, reader: Reader) -> None:
    while (message := await reader.next()) is not None:
        await socket.send_text(written(message))


async def _ask_again(socket: WebSocket, caller: Caller, closing: "asyncio.Future[int]") -> None:
    """Close it where its caller would not be let in any more, or would see other things."""
    pause = FIRST_AGAIN_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = AGAIN_SECONDS
        try:
            now = await identify(unidentified(socket))
        except StorageError:
            # Nothing is known while the database is away, and nothing was taken from anybody.
            continue
        except ApiError:
            now = None
        if now is None or not allows(now, Permission.USAGE_READ) or now.within() != caller.within():
            _settle(closing, ENDED)


async def _close(socket: WebSocket, code: int) -> None:
    with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.close(code)


def written(message: Message) -> str:
    """A message as it is sent."""
    item = message.item
    if item is None:
        return f'{{"seq":{message.seq},"type":"gap"}}'
    if message.heartbeat is not None:
        return f'{{"seq":{message.seq},{_pulse(message.heartbeat)}}}'
    if item.text is None:
        item.text = _pulse(item.heartbeat) if item.heartbeat is not None else _call(item.record)
    sampled = f',"sampled":{message.sampled}' if message.sampled > 1 else ""
    return f'{{"seq":{message.seq},{item.text}{sampled}}}'


def _pulse(heartbeat: Heartbeat) -> str:
    data = {
        "at": to_rfc3339(heartbeat.at),
        "passed": heartbeat.passed,
        "refused": heartbeat.refused,
        "failed": heartbeat.failed,
        "gate_p50_us": heartbeat.gate_p50_us,
        "gate_p99_us": heartbeat.gate_p99_us,
    }
    return f'"type":"pulse","data":{msgspec.json.encode(data).decode()}'


def _call(record: tuple[str, CallBegan, CallEnded] | None) -> str:
    """A call as `GET /api/calls` tells it."""
    assert record is not None
    return f'"type":"call.ended","data":{CallTold.of(call_of(*record)).model_dump_json()}'


def call_of(boot: str, began: CallBegan, ended: CallEnded) -> Call:
    """What the database has of this call."""
    return Call(
        number=0,
        id=f"{boot}-{ended.seq}",
        request_id=began.request_id,
        client_request_id=began.client_request_id,
        started_at=began.started_at,
        status=Status(ended.status).name.lower(),
        http_status=ended.http_status,
        method=began.method,
        path=began.path,
        address=began.address,
        user_agent=began.user_agent,
        key_id=began.key_id,
        key_label=began.key_label,
        project=began.project,
        model=began.served,
        provider=began.provider,
        upstream_model=began.upstream_model,
        credential_id=began.credential_id,
        stream=began.stream,
        input_tokens=ended.input_tokens,
        output_tokens=ended.output_tokens,
        cached_tokens=ended.cached_tokens,
        reasoning_tokens=ended.reasoning_tokens,
        usage_source=UsageSource(ended.usage_source).name.lower(),
        cost=ended.cost,
        currency=ended.currency,
        duration_us=ended.duration_us,
        ttfb_us=ended.ttfb_us,
        stages=dict(zip(STAGES, ended.stages, strict=False)),
        attempts=ended.attempts,
        upstream_status=ended.upstream_status,
        error_code=ended.error_code,
        error_message=ended.error_message,
        finish_reason=ended.finish_reason,
        bytes_in=ended.bytes_in,
        bytes_out=ended.bytes_out,
        api=began.api,
    )


@router.get(PATH, include_in_schema=False)
async def plain(_: ReadUsage) -> None:
    """What a request gets that does not ask for a WebSocket."""
    message = "this is a WebSocket; connect to it as one"
    raise ApiError(Refusal(426, Kind.INVALID, "upgrade_required", message, headers=(("upgrade", "websocket"), ("connection", "upgrade"))))


def socket(live: Live) -> GuardedSocket:
    """The route."""
    return GuardedSocket(PATH, live.serve, Permission.USAGE_READ)
