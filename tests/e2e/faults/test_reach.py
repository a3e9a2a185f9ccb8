"""Upstreams that cannot be reached, do not take the request, or are ourselves."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.faults.clients import ask, ask_all, chat, post
from tests.e2e.faults.rows import CUT, GARBAGE, HASTE, LATE, NOT_ACCEPTED, UNREACHABLE
from tests.e2e.faults.scripts import HANG, Send, Step, completion, json_answer
from tests.support.product import free_ports
from tests.support.upstream import Close, Reply, Upstream

pytestmark = pytest.mark.e2e


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """A port whose queue of connections is full, so that a further one gets no answer at all."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def unread_listener() -> Iterator[int]:
    """A port that accepts (the system does so by itself) and never reads."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def check(arena: Arena, model: str, http: int, code: str, *, stream: bool, upstream_status: int = 0, padding: str = "") -> None:
    answer = asyncio.run(ask(arena.port, chat(model, "nobody", arena.key, stream=stream, padding=padding)))
    error = answer.error()
    assert answer.whole
    assert answer.status == http, answer
    assert error is not None
    assert error["code"] == code, error
    [record] = arena.records([answer.request_id])[answer.request_id]
    assert record["status"] == "failed"
    assert (record["http_status"], record["error"]["code"]) == (http, code)
    assert record["upstream_status"] == (upstream_status or None)
    assert (record["usage_source"], record["output_tokens"]) == ("unknown", 0)
    if http == 504:
        assert answer.seconds <= HASTE["total"] + 1.5


@pytest.mark.parametrize("stream", [False, True])
def test_nobody_listens(arena: Arena, stream: bool) -> None:
    name = f"absent-{stream}".lower()
    arena.provider(name, f"http://127.0.0.1:{free_ports(1)[0]}/v1")
    check(arena, f"{name}/m", 502, UNREACHABLE, stream=stream)


def test_the_name_is_unknown(arena: Arena) -> None:
    arena.provider("nowhere", "http://no-such-host.invalid/v1", timeouts={**HASTE, "connect": 3.0})
    check(arena, "nowhere/m", 502, UNREACHABLE, stream=False)


@pytest.mark.parametrize("stream", [False, True])
def test_it_does_not_accept(arena: Arena, stream: bool) -> None:
    name = f"deaf-{stream}".lower()
    with full_listener() as port:
        arena.provider(name, f"http://127.0.0.1:{port}/v1", timeouts=HASTE)
        check(arena, f"{name}/m", 504, NOT_ACCEPTED, stream=stream)


def test_it_does_not_take_the_request(arena: Arena) -> None:
    with unread_listener() as port:
        arena.provider("unread", f"http://127.0.0.1:{port}/v1", timeouts=HASTE)
        check(arena, "unread/m", 504, LATE, stream=False, padding="x" * 16_000_000)


def test_it_answers_before_it_has_read_the_request(arena: Arena) -> None:
    """And closes: whether its words came through a reset is luck, that there is one clear answer is not."""
    with Upstream() as upstream:
        arena.provider("impatient", upstream.base_url)
        refusal = Reply.json({"error": {"message": "too long", "type": "invalid_request_error", "code": "too_long"}}, status=413)
        upstream.script(replace(refusal.then(Close()), early=True))
        answer = asyncio.run(ask(arena.port, chat("impatient/m", "nobody", arena.key, padding="x" * 16_000_000)))
        error = answer.error()
        assert answer.whole
        assert error is not None
        assert (answer.status, error["code"]) in ((413, "too_long"), (502, "upstream_cut"))
        [record] = arena.records([answer.request_id])[answer.request_id]
        assert (record["status"], record["http_status"]) == ("failed", answer.status)


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings"])
def test_the_other_routes_tell_faults_alike(arena: Arena, path: str) -> None:
    """Cut, garbage, silence and refusal on the routes beside chat."""
    arena.provider("quick", timeouts=HASTE)
    faults: dict[str, tuple[tuple[Step, ...], int, str]] = {
        "cut": ((Send(json_answer(completion())[:-10]), Close()), 502, CUT),
        "garbage": ((Send(json_answer(b"<html>")),), 502, GARBAGE),
        "silence": ((HANG,), 504, LATE),
        "refusal": ((Send(json_answer({"error": {"message": "no", "code": "engine_says"}}, "422 No")),), 422, "engine_says"),
    }
    requests = []
    for kind, (steps, _, _) in faults.items():
        arena.upstream.play(f"{path} {kind}", *steps)
        body = {"model": "quick/m", "user": f"{path} {kind}", "prompt": "go", "input": "go"}
        requests.append(post(path, json.dumps(body).encode(), arena.key))
    answers = asyncio.run(ask_all(arena.port, requests))
    records = arena.records(answer.request_id for answer in answers)
    for answer, (kind, (_, http, code)) in zip(answers, faults.items(), strict=True):
        error = answer.error()
        assert error is not None
        assert (answer.status, error["code"]) == (http, code), kind
        [record] = records[answer.request_id]
        assert (record["status"], record["http_status"], record["path"], record["error"]["code"]) == ("failed", http, path, code)


def test_it_is_ourselves(arena: Arena) -> None:
    """A provider that leads back to this gateway is told by `via`, not by going round until something breaks."""
    arena.provider("loop", f"http://127.0.0.1:{arena.port}/v1", credential=arena.key)
    answer = asyncio.run(ask(arena.port, chat("loop/m", "round", arena.key)))
    assert answer.status == 508, answer
    error = answer.error()
    assert answer.whole
    assert error is not None
    [record] = arena.records([answer.request_id])[answer.request_id]
    assert (record["status"], record["http_status"], record["upstream_status"]) == ("failed", 508, 508)
    assert record["error"]["code"] == error["code"]
    refusals = [each for each in arena.management.all_refusals() if each["http_status"] == 508]
    assert len(refusals) == 1, "the second pass is refused before it becomes a call"
    assert refusals[0]["code"] == error["code"]
