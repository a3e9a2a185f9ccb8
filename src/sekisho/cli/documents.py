"""YAML as far as configurations need it: mappings, lists, texts, numbers, true, false and null. The same file means the same everywhere.

Of the rest nothing is taken: no aliases (a few lines that unfold into gigabytes), no tags (types that a reader makes up), no second
document, no key that stands twice, no depth without end. A word is a text unless it is one of JSON's (`no` is a text, and so is 012).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from sekisho.cli.failures import CommandError

MOST_BYTES: Final = 1024 * 1024
MOST_DEPTH: Final = 12
"""Levels; a configuration has six."""

_WORDS: Final[Mapping[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,20}(e-[0-9]{1,3})?")


@dataclass(frozen=True)
class Document:
    """What a file says, and on which line each of its names stands (by path, such as providers.openai.kind)."""

    name: str
    content: Any
    lines: Mapping[str, int]

    def located(self, refused: CommandError) -> CommandError:
        """The same refusal with the line that it is about, where it names a path that stands in the file."""
        named = [path for path in self.lines if f"{path}:" in refused.message or f"{path!r}" in refused.message]
        if not named:
            return refused
        line = self.lines[max(named, key=len)]
        return CommandError(refused.code, f"{self.name}, line {line}: {refused.message}", refused.exit_code)


def read(data: bytes, name: str) -> Document:
    """What a document says; `name` is the file's, for messages. Raises CommandError, which names the line."""
    if len(data) > MOST_BYTES:
        raise _refused(name, None, f"it is larger than {MOST_BYTES:,} bytes, the most that is read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(name, data.count(b"\n", 0, error.start) + 1, "this is no UTF-8; save the file in that encoding") from None
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        raise _refused(name, line, str(error.problem or error.context)) from None
    except yaml.YAMLError as error:
        raise _refused(name, None, str(getattr(error, "reason", "it is no YAML"))) from None
    return Document(name, builder.document, builder.lines)


def write(document: Mapping[str, Any]) -> str:
    """The same as text, in the order that it has."""
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=140))


def _refused(name: str, line: int | None, reason: str) -> CommandError:
    where = name if line is None else f"{name}, line {line}"
    return CommandError("INVALID_FILE", f"{where}: {reason}")


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes no aliases, and texts of several lines as such."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_FOLDED: Final = frozenset("\r\x85\u2028\u2029")
"""What readers take for the end of a line, and make another one of."""


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    style = '"' if not _FOLDED.isdisjoint(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


class _Builder:
    """Puts the document together from what the parser sees, without recursion."""

    def __init__(self, name: str) -> None:
        self.document: Any = None
        self.lines: dict[str, int] = {}
        self._name = name
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []
        """For each open mapping the key whose value comes next; None where a key does."""
        self._paths: list[str] = []
        """For each open mapping and list, where it stands."""
        self._documents = 0

    def take(self, event: Any) -> None:
        """One more event; raises CommandError."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._error(event, "a second document begins here; one file is one configuration")
        elif isinstance(event, yaml.AliasEvent):
            raise self._error(event, "aliases (*name) are not read; write it out")
        elif isinstance(event, yaml.ScalarEvent):
            self._plain(event)
            if self._open and isinstance(self._open[-1], dict) and self._keys[-1] is None:
                self._begin_value(event)
            else:
                self._place(_scalar(event) if event.implicit[0] else event.value)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._plain(event)
            self._descend(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            for stack in (self._open, self._keys, self._paths):
                stack.pop()

    def _plain(self, event: Any) -> None:
        if event.anchor is not None:
            raise self._error(event, "anchors (&name) are not read; leave it out")
        if event.tag is not None:
            raise self._error(event, "tags (!name) are not read; leave it out")

    def _begin_value(self, event: Any) -> None:
        mapping = self._open[-1]
        if event.value in mapping:
            raise self._error(event, f"{event.value!r} stands here twice; keep one of them")
        self._keys[-1] = event.value
        self.lines[self._path()] = event.start_mark.line + 1

    def _path(self) -> str:
        """Where in the document the value stands that comes next."""
        within, key = self._paths[-1], self._keys[-1]
        return f"{within}.{key}" if within and key is not None else key or within

    def _descend(self, event: Any) -> None:
        if len(self._open) == MOST_DEPTH:
            raise self._error(event, f"this is nested deeper than {MOST_DEPTH} levels")
        if self._open and isinstance(self._open[-1], dict) and self._keys[-1] is None:
            raise self._error(event, "a name is wanted here, such as name: value")
        made: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._path() if self._open else ""
        self._place(made)
        self._open.append(made)
        self._keys.append(None)
        self._paths.append(path)

    def _place(self, value: Any) -> None:
        if not self._open:
            self.document = value
            return
        holder = self._open[-1]
        if isinstance(holder, list):
            holder.append(value)
            return
        key = self._keys[-1]
        assert key is not None
        holder[key] = value
        self._keys[-1] = None

    def _error(self, event: Any, reason: str) -> CommandError:
        return _refused(self._name, event.start_mark.line + 1, reason)


def _scalar(event: Any) -> Any:
    text: str = event.value
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
