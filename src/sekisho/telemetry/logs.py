"""One JSON object per line on standard error, whatever a stranger puts into a message.

Nothing that comes from outside can start a line, move a cursor or pass for a field: JSON escapes the control characters below
space, and this module the rest (DEL, C1, the Unicode line separators, direction marks, lone surrogates). Secrets are hidden by
their type, so no list of field names has to be kept. A fault that repeats is written a few times per window and then counted.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import Final, TextIO

import msgspec

from sekisho.kit import clock

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 10,
}
"""The words for levels, lowest first; `off` silences a logger."""

MOST_REPEATS: Final = 10
"""Lines of one origin that are written within a window; enough to see a pattern, too few to fill a disk."""
WINDOW_S: Final = 10.0
MOST_ORIGINS: Final = 1000
"""Origins remembered by the rate bound; beyond, it starts anew."""
MOST_CHARACTERS: Final = 8 * 1024
"""Of one message or traceback; a longer one is cut."""

_HOSTILE: Final = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_RESERVED: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_encoder: Final = msgspec.json.Encoder()
_SEVERITIES: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "error",
}


class Logs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written to standard error."""

    level: str = "info"
    """Of our own loggers: debug, info, warning, error or off."""
    loggers: dict[str, str] = {}
    """Levels of single loggers, by name, such as `{"sekisho.bridge" = "debug"}`; libraries speak from a warning on."""


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _plain(value: object, depth: int = 4) -> object:
    """Reduce a value to what JSON has. Anything else is its `str`, which a secret does not show itself in; structs are not opened."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, str):
        # A lone surrogate stands for a byte that was no UTF-8.
        return value[:MOST_CHARACTERS].encode("utf-8", "backslashreplace").decode()
    if depth and isinstance(value, Mapping):
        return {str(_plain(str(name))): _plain(each, depth - 1) for name, each in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(each, depth - 1) for each in value]
    return _plain(str(value))


def to_line(members: Mapping[str, object]) -> str:
    """Write members as one line of JSON without any character that could be taken for more than text."""
    return _HOSTILE.sub(_escape, _encoder.encode(_plain(members)).decode())


class JsonFormatter(logging.Formatter):
    """Writes a log record as a line: time, severity, logger, message, and where they exist extra and error."""

    def format(self, record: logging.LogRecord) -> str:
        members: dict[str, object] = {
            "time": clock.to_rfc3339(int(record.created * clock.SECOND)),
            "severity": _SEVERITIES.get(record.levelno, record.levelname.lower()),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if extra := {name: value for name, value in record.__dict__.items() if name not in _RESERVED and not name.startswith("_")}:
            members["extra"] = extra
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            members["error"] = {
                "type": type(error).__name__,
                "message": str(error),
                "trace": self.formatException(record.exc_info)[-MOST_CHARACTERS:],
            }
        return to_line(members)


class RepeatFilter(logging.Filter):
    """Bounds how often one origin (logger and message before its arguments) speaks at WARNING and above."""

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._seen: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record through, or count it; the first one of a new window says how many were left out."""
        if record.levelno < logging.WARNING:
            return True
        origin, now = (record.name, str(record.msg)), self._monotonic()
        since, count = self._seen.get(origin, (now, 0))
        if now - since >= WINDOW_S:
            if count > MOST_REPEATS:
                record.left_out = count - MOST_REPEATS
            since, count = now, 0
        if len(self._seen) >= MOST_ORIGINS:
            self._seen.clear()
        self._seen[origin] = (since, count + 1)
        return count < MOST_REPEATS


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes lines to a stream and never lets a full disk or a closed pipe hurt the one who logs."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Say nothing: there is nowhere left to say it."""


def setup(level: str = "info", loggers: Mapping[str, str] | None = None, stream: TextIO | None = None) -> None:
    """Make this process log as JSON lines on standard error; replaces what was there. Raises ValueError on an unknown level."""
    handler = StderrHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    logging.captureWarnings(True)
    root.setLevel(logging.WARNING)
    # Our own loggers speak at the level asked for; libraries only from a warning on, unless they are named.
    set_level("sekisho", level)
    for name, each in (loggers or {}).items():
        set_level(name, each)


def parse_level(level: str) -> int:
    """The number of a level's word; raises ValueError that lists the words."""
    try:
        return LEVELS[level.lower()]
    except KeyError:
        raise ValueError(f"{level!r} is not a log level; use one of {', '.join(LEVELS)}") from None


def set_level(logger: str, level: str) -> None:
    """Change the level of one logger and all below it, at once; the empty name is the root. Raises ValueError."""
    logging.getLogger(logger).setLevel(parse_level(level))


def levels() -> dict[str, str]:
    """The loggers that have a level of their own."""
    words = {number: word for word, number in LEVELS.items()}
    named = {name: each for name, each in logging.Logger.manager.loggerDict.items() if isinstance(each, logging.Logger) and each.level}
    return {name: words.get(each.level, str(each.level)) for name, each in sorted(named.items())}
