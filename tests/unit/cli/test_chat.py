"""`chat`: a client like any other."""

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sekisho.cli.chat import events
from tests.unit.cli.conftest import PROGRAM, Type, environment
from tests.unit.cli.simulators import Gateway

KEY = "sk-sek-0123456789abcdef-" + "k" * 43


def piece(text: str | None = None, **more: Any) -> bytes:
    document = {"choices": [{"index": 0, "delta": {} if text is None else {"content": text}}], **more}
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'


@pytest.fixture(autouse=True)
def key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEKISHO_API_KEY", KEY)


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_events_come_out_however_the_bytes_come_in(cut: int) -> None:
    stream = b": hello\n\n" + piece("grüße\u2028x") + b"data: two\r\ndata: lines\r\n\r\n" + DONE + b"data: never ended"
    pieces = [stream[start : start + cut] for start in range(0, len(stream), cut)]
    expected = [piece("grüße\u2028x")[6:-2], b"two\nlines", b"[DONE]"]
    assert list(events(pieces)) == expected


def test_the_answer_is_streamed_as_text(type_: Type, gateway: Gateway) -> None:
    gateway.pieces = [piece(None), piece("Hello"), piece(", you\x1b[2J"), USAGE, DONE]
    outcome = type_("chat", "--model", "sandbox/echo", "--system", "be brief", "--max-tokens", "9", "hi", "--format", "text")
    assert (outcome.exit_code, outcome.out, outcome.err) == (0, "Hello, you\\u001b[2J\n", "")
    assert gateway.keys == [f"Bearer {KEY}"]
    assert gateway.requests == [
        {
            "model": "sandbox/echo",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
            "max_tokens": 9,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


@pytest.mark.parametrize("flag", ["--json", "--format=json"])
def test_json_is_one_document(type_: Type, gateway: Gateway, flag: str) -> None:
    choice = {"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    gateway.body = json.dumps({"model": "sandbox/echo", "choices": [choice], "usage": {"prompt_tokens": 3}}).encode()
    data = type_("chat", "-m", "sandbox/echo", "hi", flag).data
    assert data.pop("duration_ms") > 0
    assert data == {
        "model": "sandbox/echo",
        "content": "Hello",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 3},
        "request_id": "req-9",
    }
    assert "stream" not in gateway.requests[0]


def test_pieces_are_shown_as_they_come(home: Path, gateway: Gateway) -> None:
    shown_first = threading.Event()
    gateway.pieces = [piece("first "), piece("second"), DONE]
    gateway.between = lambda number: None if number else (shown_first.wait(20) or None)
    command = [sys.executable, "-c", PROGRAM, "chat", "-m", "sandbox/echo", "hi", "--format", "text"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100) == b"first "
        shown_first.set()
        assert process.stdout.read() == b"second\n"
    assert process.returncode == 0


def test_the_prompt_and_the_key_may_come_by_stdin(type_: Type, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.pieces = [piece("ok"), DONE]
    assert type_("chat", "-m", "sandbox/echo", "--format", "text", stdin="from a pipe\n").out == "ok\n"
    monkeypatch.delenv("SEKISHO_API_KEY")
    assert type_("chat", "-m", "sandbox/echo", "--format", "text", "--key-stdin", stdin=f"{KEY}\nthe rest\n").out == "ok\n"
    assert [request["messages"][-1]["content"] for request in gateway.requests] == ["from a pipe", "the rest"]
    assert gateway.keys == [f"Bearer {KEY}"] * 2


def test_the_only_model_needs_no_name(type_: Type, gateway: Gateway) -> None:
    gateway.pieces = [piece("ok"), DONE]
    assert type_("chat", "hi", "--format", "text").out == "ok\n"
    assert gateway.requests[0]["model"] == "sandbox/echo"
    gateway.models = ["up/b", "up/a"]
    assert type_("chat", "hi").error == (1, "USAGE", "name a model with --model; this key may use: up/a, up/b")


def test_a_wildcard_address_is_called_on_loopback(type_: Type, gateway: Gateway, node: Any) -> None:
    node.settings["gateway.host"] = "0.0.0.0"
    gateway.pieces = [piece("ok"), DONE]
    assert type_("chat", "-m", "sandbox/echo", "hi", "--format", "text").out == "ok\n"


def test_a_gateway_elsewhere_needs_no_server_here(type_: Type, home: Path) -> None:
    with Gateway() as gateway:
        gateway.pieces = [piece("ok"), DONE]
        for url in (gateway.url, gateway.url + "/v1", gateway.url + "/v1/"):
            assert type_("chat", "-m", "sandbox/echo", "hi", "--url", url, "--format", "text").out == "ok\n"


def test_what_goes_wrong_is_told(type_: Type, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("chat", "-m", "sandbox/echo", "hi")
    gateway.status, gateway.body = (
        401,
        b'{"error":{"message":"this key is unknown","type":"authentication_error","code":"invalid_api_key"}}',
    )
    assert type_(*words).error == (1, "INVALID_API_KEY", "this key is unknown")
    gateway.status, gateway.body = 502, b"<html>"
    assert type_(*words).error == (1, "HTTP_502", "the gateway answered 502")
    for body in (b"<html>", b"{}", b'{"choices":[]}', b"[]", b'{"choices":[{"message":"x"}]}'):
        gateway.status, gateway.body = 200, body
        assert type_(*words).error == (1, "ANSWER_INVALID", "the answer is no chat completion; is this the address of a gateway?")
    monkeypatch.setenv("SEKISHO_API_KEY", "sk sek")
    assert type_(*words).error[:2] == (1, "USAGE")
    monkeypatch.delenv("SEKISHO_API_KEY")
    assert "sekisho api-keys create" in type_(*words).error[2]
    assert type_(*words, "--key-stdin", "--url", "http://127.0.0.1:1", stdin=KEY).error[:2] == (1, "GATEWAY_UNREACHABLE")


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([piece("half")], "STREAM_CUT"),
        ([piece("half"), b'data: {"error":{"message":"the engine died","code":"upstream_cut"}}\n\n'], "UPSTREAM_CUT"),
        ([b"data: what?\n\n"], "STREAM_INVALID"),
    ],
)
def test_an_answer_that_breaks_off_is_a_failure(type_: Type, gateway: Gateway, pieces: list[bytes], code: str) -> None:
    gateway.pieces = pieces
    outcome = type_("chat", "-m", "sandbox/echo", "hi", "--format", "text")
    assert outcome.exit_code == 1
    assert outcome.err.startswith("error: ")
    json_error = json.loads(type_("chat", "-m", "sandbox/echo", "hi", "--url", "http://127.0.0.1:1").err)
    assert json_error["error"]["code"] == "GATEWAY_UNREACHABLE"
    assert {"STREAM_CUT": "ended before its end", "UPSTREAM_CUT": "the engine died", "STREAM_INVALID": "not JSON"}[code] in outcome.err


def test_a_terminal_holds_a_conversation(home: Path, gateway: Gateway) -> None:
    gateway.pieces = [piece("answer"), USAGE, DONE]
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, "chat", "-m", "sandbox/echo"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM="dumb"), start_new_session=True
    ) as process:
        os.close(theirs)
        shown = b""

        def wait_for(text: bytes, times: int) -> None:
            nonlocal shown
            while shown.count(text) < times:
                shown += os.read(ours, 1000)

        wait_for(b"> ", 1)
        os.write(ours, b"one\n")
        wait_for(b"> ", 2)
        os.write(ours, b"two\n")
        wait_for(b"> ", 3)
        os.write(ours, b"\x04")
        while True:
            try:
                if not os.read(ours, 1000):
                    break
            except OSError:
                break
    os.close(ours)
    assert process.returncode == 0
    assert [message["content"] for message in gateway.requests[1]["messages"]] == ["one", "answer", "two"]
    assert b"3 tokens in, 2 out" in shown
