"""The body, within its route's bound: refused while it is still coming, never after."""

from typing import Final

from sekisho.core.dialects.registry import Body
from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.wire.http1.writers import CONTINUE
from sekisho.dataplane.stages import Exchange, Plane
from sekisho.kit.drive import Baton

_CHAT: Final = Body.CHAT
_JSON: Final = Body.JSON


def bound(x: Exchange, plane: Plane) -> int:
    """The most bytes that this route's body may have."""
    kind = x.route.body
    if kind is _CHAT:
        return plane.bounds.chat_body_bytes
    return plane.bounds.json_body_bytes if kind is _JSON else 0


def too_large(most: int) -> Refusal:
    return Refusal(
        413, Kind.INVALID, "body_too_large", f"the body is larger than {most} bytes, this route's bound", should_retry=False, close=True
    )


def complete(x: Exchange, plane: Plane) -> Refusal | None:
    """The body came with its head: only its size is left to look at."""
    most = bound(x, plane)
    return x.refusal if x.body_bytes <= most else too_large(most)


async def receive(x: Exchange, plane: Plane) -> Refusal | None:
    """Wait for the whole body."""
    head = x.head
    assert head is not None
    most = x.body_bound = bound(x, plane)
    if (head.content_length or 0) > most or x.body_bytes > most:
        return too_large(most)
    if not x.body_complete and x.refusal is None:
        if head.expects_continue and x.body_bytes == 0:
            x.client.write(CONTINUE)
        wait = x.body_wait = Baton()
        await wait
        x.body_wait = None
    return x.refusal
