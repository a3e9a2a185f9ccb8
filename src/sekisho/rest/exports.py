"""Long lists as files: written page by page while they are read, so that neither side holds all of it.

A field of a CSV line that a spreadsheet would take for a formula is made text by an apostrophe before it.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final, Literal

from starlette.responses import StreamingResponse

Format = Literal["csv", "jsonl"]

TOTAL: Final = "x-total-count"
"""The header that says how many entries the whole file has, for who draws its progress."""

_MEDIA: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: object) -> str:
    """A value as a field of a CSV line, before it is quoted."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULAS) else value
    return json.dumps(value, ensure_ascii=False)


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Lines of CSV (RFC 4180)."""
    written = io.StringIO()
    csv.writer(written).writerows([cell(value) for value in row] for row in rows)
    return written.getvalue()


def json_lines(entries: Iterable[dict[str, Any]]) -> str:
    """One JSON document to a line."""
    return "".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n" for entry in entries)


def response(pieces: AsyncIterator[str], kind: Format, name: str, total: int | None) -> StreamingResponse:
    """A file of this name, sent as its pieces come; `total` is None where nobody has counted."""
    headers = {"content-disposition": f'attachment; filename="{name}.{kind}"'}
    if total is not None:
        headers[TOTAL] = str(total)
    return StreamingResponse(pieces, media_type=_MEDIA[kind], headers=headers)
