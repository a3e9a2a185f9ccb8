"""`calls`."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from tests.unit.cli.conftest import PROGRAM, Type, environment
from tests.unit.cli.simulators import Node, call

FIELDS = {
    *("id", "request_id", "started_at", "status", "http_status", "model", "provider", "upstream_model", "key_id", "input_tokens"),
    *("output_tokens", "cached_tokens", "usage_source", "cost", "currency", "duration_ms", "ttfb_ms", "stages"),
}


def test_calls_are_listed_newest_first_with_every_field(type_: Type, node: Node) -> None:
    node.calls = [call(number) for number in range(3)]
    data = type_("calls", "list", "--limit", "2").data
    assert [each["id"] for each in data["calls"]] == ["boot-2", "boot-1"]
    assert data["calls"][0].keys() >= FIELDS
    rest = type_("calls", "list", "--limit", "2", "--cursor", data["next_cursor"]).data
    assert [each["id"] for each in rest["calls"]] == ["boot-0"]
    assert rest["next_cursor"] is None


def test_more_than_a_page_is_asked_page_by_page(type_: Type, node: Node) -> None:
    node.calls = [call(number) for number in range(2500)]
    data = type_("calls", "list", "--limit", "1500").data
    assert len({each["id"] for each in data["calls"]}) == 1500
    assert [query["limit"] for _, _, query, _ in node.requests] == ["1000", "500"]


def test_filters_are_passed_on(type_: Type, node: Node) -> None:
    times = ("--since", "2026-01-31T09:00:00Z", "--until", "2026-02-01T09:00:00Z")
    flags = ("--status", "failed", "--model", "up/x", "--provider", "up", "--key", "k1", *times)
    assert type_("calls", "list", *flags).data["calls"] == []
    assert type_("calls", "count", *flags).data == {"count": 0}
    for _, _, query, _ in node.requests:
        query.pop("limit", None)
        assert query == {
            "status": "failed",
            "model": "up/x",
            "provider": "up",
            "key_id": "k1",
            "since": "2026-01-31T09:00:00.000000Z",
            "until": "2026-02-01T09:00:00.000000Z",
        }


def test_the_table(type_: Type, node: Node) -> None:
    node.calls = [
        call(1),
        call(2, status="failed", http_status=502, usage_source="unknown", cost=None, ttfb_ms=None, model="evil\x1b[2J"),
        call(3, usage_source="estimated"),
    ]
    lines = {line.split()[-1]: line for line in type_("calls", "list", "--format", "text").out.splitlines() if "boot-" in line}
    assert lines["boot-1"].split()[2:-1] == [
        "completed",
        "200",
        "up/gpt-x",
        "my",
        "app",
        "1,234",
        "56",
        "$0.0002187",
        "88.2",
        "ms",
        "1.24",
        "s",
    ]
    assert lines["boot-2"].split()[2:-1] == ["failed", "502", "evil\\u001b[2J", "my", "app", "–", "–", "–", "–", "1.24", "s"]
    assert "~1,234" in lines["boot-3"]


def test_the_first_step_has_the_gateways_own_port(type_: Type, node: Node) -> None:
    node.gateway_port = 4321
    outcome = type_("calls", "list", "--format", "text")
    assert "curl http://127.0.0.1:4321/v1/chat/completions" in outcome.out
    assert "sandbox/echo" in outcome.out
    assert type_("calls", "list", "--status", "failed", "--format", "text").out == "no calls match; leave out a filter to see more\n"


def test_one_call_whole(type_: Type, node: Node) -> None:
    error = {"code": "upstream_timeout", "message": "no answer\nin time"}
    node.calls = [call(1, status="failed", error=error, cached_tokens=1000, stream=True)]
    assert type_("calls", "show", "boot-1").data == node.calls[0]
    shown = type_("calls", "show", "boot-1", "--format", "text").out
    for piece in (
        "upstream_timeout: no answer in time ",
        "1,234 in, of which 1,000 cached, 56 out",
        "first_byte   88.0 ms",
        "/v1/chat/completions  (stream)",
    ):
        assert piece in shown


def test_count(type_: Type, node: Node) -> None:
    node.calls = [call(1), call(2, status="failed"), call(3)]
    assert type_("calls", "count").data == {"count": 3}
    assert type_("calls", "count", "--status", "failed").data == {"count": 1}
    assert type_("calls", "count", "--format", "text").out == "3\n"


def test_tail_begins_with_the_latest_and_follows(node: Node, home: object) -> None:
    node.calls = [call(number) for number in range(4)]
    command = [sys.executable, "-c", PROGRAM, "calls", "tail", "--last", "2", "--interval", "0.1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        seen = [json.loads(process.stdout.readline())["data"]["id"] for _ in range(2)]
        node.calls = [*node.calls, call(4), call(5)]
        seen += [json.loads(process.stdout.readline())["data"]["id"] for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""
    assert seen == ["boot-2", "boot-3", "boot-4", "boot-5"]
    assert process.returncode == 0


def test_tail_shows_a_call_that_came_between_its_first_two_questions_once(node: Node, home: object) -> None:
    asked = threading.Event()

    def first_question() -> tuple[int, dict[str, object]]:
        answer = {"calls": [], "next_cursor": str(len(node.calls))}
        if not asked.is_set():
            asked.set()
            node.calls = [*node.calls, call(9)]
        del node.scripted["GET", "/api/calls"]
        return 200, answer

    node.scripted["GET", "/api/calls"] = first_question
    command = [sys.executable, "-c", PROGRAM, "calls", "tail", "--interval", "0.1", "--format", "text"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        node.calls = [*node.calls, call(10)]
        second = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert ("boot-9" in first, "boot-10" in second, rest) == (True, True, "")


@pytest.mark.parametrize("words", [("usage",), ("usage", "--period", "24h", "--by", "key")])
def test_usage(type_: Type, node: Node, words: tuple[str, ...]) -> None:
    data = type_(*words).data
    assert data["totals"]["calls"] == 3
    query = node.requests[-1][2]
    assert query == ({"period": "7d", "by": "model"} if len(words) == 1 else {"period": "24h", "by": "key"}) | {"tz": "UTC"}
    lines = [line.split() for line in type_(*words, "--format", "text").out.splitlines()]
    assert ["total", "3", "1", "0", "4,321", "0", "9", "$1.25"] in lines


def test_usage_without_calls(type_: Type, node: Node) -> None:
    node.scripted["GET", "/api/usage"] = (200, {"period": {}, "totals": {}, "rows": []})
    assert "sekisho calls list" in type_("usage", "--format", "text").out
