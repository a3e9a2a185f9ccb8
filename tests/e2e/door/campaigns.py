"""The table against a running product: every case on both ports, many at once.

Each is sent whole, byte by byte, with a second request behind it, and with a request before and behind it in one breath.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product as combinations
from typing import Final

from tests.e2e.door.cases import CLOSED, FRAMING, VALID, Case
from tests.e2e.door.conversations import Answer, Conversation, NotHttpError
from tests.e2e.door.messages import BODY, MARKER, fill, get, message, pieces

WHOLE: Final = "whole"
BYTES: Final = "bytes"
TRAILING: Final = "trailing"
BETWEEN: Final = "between"
CUTS: Final = (WHOLE, BYTES, TRAILING, BETWEEN)

GATEWAY_PORT: Final = "gateway"
CONSOLE_PORT: Final = "console"
PORTS: Final = (GATEWAY_PORT, CONSOLE_PORT)

AT_ONCE: Final = 24
"""Conversations at a time: two cores serve the client, the product and the upstream."""

SENTINEL: Final = get()
BEHIND: Final = message(body=BODY) + SENTINEL
"""What trails: a chat that an upstream would notice, and a request that every port answers."""


@dataclass(frozen=True)
class Outcome:
    """What became of one run of a case."""

    answers: tuple[Answer, ...]
    closed: bool
    rest: bytes
    marker: bytes
    behind: bytes
    """The marker of the trailing chat."""
    trouble: str = ""


Outcomes = dict[tuple[str, str, str], Outcome]
"""By case's name, port and cut."""


def marker(case: int, port: str, cut: str, *, behind: bool = False) -> bytes:
    """Twelve bytes that name a run."""
    return f"{'b' if behind else 'p'}{case:05d}-{PORTS.index(port)}-{CUTS.index(cut)}--"[:12].encode()


async def campaign(cases: Sequence[Case], ports: dict[str, int], key: str, trust: ssl.SSLContext | None = None) -> Outcomes:
    """Run all cases, by TLS with `trust`; the runs overlap, but for the large ones, each of which would hold up the others' bytes."""
    gate = asyncio.Semaphore(AT_ONCE)
    outcomes: Outcomes = {}

    async def run(number: int, case: Case, port: str, cut: str) -> None:
        async with gate:
            outcomes[case.name, port, cut] = await converse(case, number, port, cut, ports[port], key, trust)

    runs = list(combinations(enumerate(cases), PORTS, CUTS))
    async with asyncio.TaskGroup() as group:
        for (number, case), port, cut in runs:
            if not case.large:
                group.create_task(run(number, case, port, cut))
    for (number, case), port, cut in runs:
        if case.large:
            await run(number, case, port, cut)
    return outcomes


async def converse(case: Case, number: int, port: str, cut: str, at: int, key: str, trust: ssl.SSLContext | None = None) -> Outcome:
    """One run: send, hear the answers, and find out whether the connection is still good for another request."""
    own, behind = marker(number, port, cut), marker(number, port, cut, behind=True)
    host = f"127.0.0.1:{at}".encode()
    sent = fill(case.bytes(), marker=own, key=key.encode(), host=host)
    trails = cut in (TRAILING, BETWEEN)
    if trails:
        sent += fill(BEHIND, marker=behind, key=key.encode(), host=host)
    sentinel = fill(SENTINEL, marker=own, key=key.encode(), host=host)
    before = 1 if cut == BETWEEN else 0
    sent = sentinel * before + sent
    methods = ("GET",) * before + (case.method,) * case.answers + ("GET",)
    async with await Conversation.open(at, methods, trust=trust) as conversation:
        await conversation.send(pieces(sent) if cut == BYTES else [sent], singly=cut == BYTES)
        trouble, closed = "", False
        try:
            heard = await conversation.wait(before + case.answers)
            if conversation.received.ended or any(each.says_close for each in heard):
                closed = await conversation.wait_end()
            elif not heard:
                trouble = "no answer came in time"
            elif trails:
                await conversation.wait(before + case.answers + 2)
                closed = conversation.received.ended
            else:
                await conversation.send([sentinel])
                await conversation.wait(case.answers + 1)
                closed = conversation.received.ended
            found = conversation.answers
            if before and (not found or found[0].status != 200):
                trouble = f"the request before it was not served: {[answer.status for answer in found]}"
            return Outcome(tuple(found[before:]), closed, conversation.rest, own, behind, trouble)
        except NotHttpError as error:
            data = bytes(conversation.received.data)
            return Outcome((), conversation.received.ended, data, own, behind, f"what came back is no HTTP: {error}; {data[:200]!r}")


def allowed(case: Case, port: str) -> tuple[int, ...] | None:
    """The statuses that a port may answer; None means every refusal."""
    if port == GATEWAY_PORT:
        return case.status
    if case.console is not None:
        return case.console
    return case.status if case.layer == FRAMING and 200 not in case.status else None


def judge(case: Case, port: str, cut: str, outcome: Outcome, seen: dict[bytes, list[bytes]]) -> list[str]:
    """What is wrong with an outcome, in sentences; `seen` is what the upstream received, by marker."""
    wrong: list[str] = []
    if outcome.trouble:
        return [outcome.trouble]
    if not outcome.answers:
        return [f"the connection ended without an answer; {outcome.rest[:80]!r} came"]
    first = outcome.answers[0]
    statuses = allowed(case, port)
    if statuses is None and not 400 <= first.status < 500:
        wrong.append(f"answered {first.status}, expected a refusal")
    if statuses is not None and first.status not in statuses:
        wrong.append(f"answered {first.status}, expected {' or '.join(map(str, statuses))}: {first.body[:200]!r}")
    # What is refused, or answered, before its body is here ends with the connection: nobody waits for the rest. The table says what
    # becomes of a connection where the body is there; the console's port may decide otherwise, but says so.
    closes = case.connection == CLOSED
    if case.layer == FRAMING and 200 in case.status and first.status != 400:
        closes = False  # the standard let it be served
    elsewhere = port == CONSOLE_PORT and case.layer != FRAMING and case.console is None
    early = outcome.closed and case.layer != FRAMING and cut == BYTES
    if outcome.closed != closes and not early and not elsewhere:
        wrong.append(f"the connection was {'closed' if outcome.closed else 'kept'} behind {first.status}")
    if outcome.closed and not any(each.says_close for each in outcome.answers):
        wrong.append("the connection was closed without saying so")
    trails = cut in (TRAILING, BETWEEN)
    more = 0 if outcome.closed else 2 if trails else 1
    if len(outcome.answers) != case.answers + more:
        wrong.append(f"{len(outcome.answers)} answers came, expected {case.answers + more}")
    elif more and outcome.answers[-1].status != 200:
        wrong.append(f"the request behind it was answered {outcome.answers[-1].status}")
    if outcome.rest:
        wrong.append(f"bytes that are no answer: {outcome.rest[:80]!r}")
    if port == GATEWAY_PORT and not set(first.interim) <= set(case.interim):
        wrong.append(f"interim answers {first.interim}")
    wrong += _judge_form(case, port, first)
    wrong += _judge_upstream(case, port, cut, outcome, first, seen)
    return wrong


def _judge_form(case: Case, port: str, first: Answer) -> list[str]:
    """A refusal of ours has its id in header and body, says how to mend it, and shows nothing of the inside."""
    if first.status < 400 or case.method == "HEAD" or (port == CONSOLE_PORT and case.layer != FRAMING):
        return []
    wrong = []
    request_id = first.header(b"x-request-id")
    if not request_id:
        wrong.append("a refusal without x-request-id")
    elif b'"request_id":"' + request_id + b'"' not in first.body.replace(b'": "', b'":"'):
        wrong.append(f"the body does not name the request id {request_id!r}: {first.body[-120:]!r}")
    if b'"message"' not in first.body or b'"code"' not in first.body:
        wrong.append(f"a refusal in another shape: {first.body[:200]!r}")
    if b"Traceback" in first.body or len(first.body) > 4096:
        wrong.append(f"a refusal that shows too much: {first.body[:200]!r}")
    return wrong


def _judge_upstream(case: Case, port: str, cut: str, outcome: Outcome, first: Answer, seen: dict[bytes, list[bytes]]) -> list[str]:
    """The upstream sees a served chat once, byte for byte but for the model's name, and of anything else nothing."""
    wrong = []
    arrived = seen.get(outcome.marker, [])
    served = port == GATEWAY_PORT and first.status == 200 and case.method == "POST" and (case.layer != VALID or case.body is not None)
    if served and case.body is not None:
        expected = [upstream_body(case.body.replace(MARKER, outcome.marker))] * case.answers
        if arrived != expected:
            wrong.append(f"the upstream received {arrived!r}, expected {expected!r}")
    elif len(arrived) > (1 if served else 0):
        wrong.append(f"the upstream saw it: {arrived[0][:120]!r}")
    trailed = seen.get(outcome.behind, [])
    if len(trailed) != (1 if port == GATEWAY_PORT and cut in (TRAILING, BETWEEN) and not outcome.closed else 0):
        wrong.append(f"of the chat behind it the upstream saw {len(trailed)}")
    return wrong


def upstream_body(body: bytes) -> bytes:
    """What the upstream receives of a client's body: the same bytes, but for the name of the model."""
    for spelling in (b'"up/echo-model"', b'"up\\/echo-model"'):
        body = body.replace(spelling, b'"echo-model"')
    return body
