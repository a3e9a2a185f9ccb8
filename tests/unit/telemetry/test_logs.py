"""One line per record, whatever is in it."""

import io
import json
import logging

import pytest

from sekisho.core.model.snapshot import Credential
from sekisho.kit.crypto import Secret
from sekisho.telemetry import logs


@pytest.fixture
def written(logging_as_before: None) -> io.StringIO:
    stream = io.StringIO()
    logs.setup("debug", stream=stream)
    return stream


log = logging.getLogger("sekisho.test")

HOSTILE = [
    "two\nlines", "carriage\rreturn", "nul\0", "\x1b[31mred\x1b[0m", "\x9b31m",
    "\u2028separator\u2029", "\u202eturned", "\x85next", "\ufeffmark",
    '"},{"severity":"forged', "\ud800alone", "\x7f", "%s %d %(x)s {0}",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_on_its_line_and_in_its_field(written: io.StringIO, text: str) -> None:
    log.info("from outside: %s", text, extra={"agent": text, "nested": {text: [text]}})
    raw = written.getvalue()
    assert raw.count("\n") == 1
    assert raw.endswith("\n")
    assert raw.isascii() or raw[:-1].isprintable()
    line = json.loads(raw)
    assert set(line) == {"time", "severity", "logger", "message", "pid", "extra"}
    assert line["severity"] == "info"
    if "\ud800" not in text:
        assert line["message"] == f"from outside: {text}"
        assert line["extra"] == {"agent": text, "nested": {text: [text]}}


def test_a_line_has_time_severity_logger_and_message(written: io.StringIO) -> None:
    log.warning("something %s", "happened")
    line = json.loads(written.getvalue())
    assert line["logger"] == "sekisho.test"
    assert line["severity"] == "warning"
    assert line["message"] == "something happened"
    assert line["time"].endswith("Z")
    assert "extra" not in line


def test_an_error_brings_its_trace_in_the_same_line(written: io.StringIO) -> None:
    try:
        raise ValueError("bad\nvalue")
    except ValueError:
        log.exception("it fell")
    assert written.getvalue().count("\n") == 1
    error = json.loads(written.getvalue())["error"]
    assert error["type"] == "ValueError"
    assert error["message"] == "bad\nvalue"
    assert "test_logs.py" in error["trace"]


def test_secrets_are_hidden_by_their_type(written: io.StringIO) -> None:
    log.info("a %s and %r", Secret("canary"), Secret("canary"), extra={"a": Secret("canary"), "b": [Secret("canary")]})
    log.info("x", extra={"credential": Credential("c1", "canary"), "list": (Credential("c1", "canary"),)})
    assert "canary" not in written.getvalue()
    assert "Secret(…)" in written.getvalue()


def test_what_is_too_long_is_cut(written: io.StringIO) -> None:
    log.info("x" * 100_000, extra={"more": "y" * 100_000, "number": 10**40})
    assert len(written.getvalue()) < 3 * logs.MOST_CHARACTERS
    assert json.loads(written.getvalue())["extra"]["number"] == str(10**40)


def test_levels_change_at_run_time(written: io.StringIO) -> None:
    logs.set_level("sekisho.test", "error")
    log.info("unheard")
    logs.set_level("sekisho.test", "debug")
    log.debug("heard")
    assert [json.loads(line)["message"] for line in written.getvalue().splitlines()] == ["heard"]
    assert logs.levels()["sekisho.test"] == "debug"
    with pytest.raises(ValueError, match="use one of debug, info, warning, error, off"):
        logs.set_level("sekisho", "loud")


def test_off_means_silence(written: io.StringIO) -> None:
    logs.set_level("sekisho.test", "off")
    log.critical("unheard")
    assert written.getvalue() == ""


def test_libraries_speak_from_a_warning_on(written: io.StringIO) -> None:
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("trouble")
    assert len(written.getvalue().splitlines()) == 1


def test_a_fault_that_repeats_is_counted_and_not_written() -> None:
    now = [0.0]
    bound = logs.RepeatFilter(lambda: now[0])

    def passes(number: int, message: str = "fault %s", level: int = logging.ERROR) -> logging.LogRecord | None:
        record = logging.LogRecord("sekisho.test", level, "", 0, message, (number,), None)
        return record if bound.filter(record) else None

    assert sum(passes(number) is not None for number in range(1000)) == logs.MOST_REPEATS
    assert passes(0, "another fault") is not None
    assert all(passes(number, "news", logging.INFO) for number in range(1000))
    now[0] = logs.WINDOW_S
    again = passes(1)
    assert again is not None
    assert again.__dict__["left_out"] == 1000 - logs.MOST_REPEATS
    assert "left_out" in logs.JsonFormatter().format(again)


def test_a_million_different_origins_do_not_fill_the_memory() -> None:
    bound = logs.RepeatFilter()
    for number in range(3 * logs.MOST_ORIGINS):
        bound.filter(logging.LogRecord("a", logging.ERROR, "", 0, f"fault {number}", (), None))
    assert len(bound._seen) <= logs.MOST_ORIGINS


def test_a_closed_stream_hurts_nobody() -> None:
    stream = io.StringIO()
    handler = logs.StderrHandler(stream)
    stream.close()
    handler.emit(logging.LogRecord("a", logging.ERROR, "", 0, "into the void", (), None))
