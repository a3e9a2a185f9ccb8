"""The bodies of `/api/refusals` and `/api/audit`, and the lines of an export."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import Field

from sekisho.audit.model import RefusedRequest
from sekisho.core.model.audit import AuditRow
from sekisho.rest.schemas import Time, Told
from sekisho.storage.chains import Verdict

Form = Literal["csv", "jsonl"]
MEDIA: Final[dict[Form, str]] = {"csv": "text/csv; charset=utf-8; header=present", "jsonl": "application/jsonl"}


class RefusalTold(Told):
    at: Time
    request_id: str
    method: str
    path: str
    address: str
    key_id: str | None
    http_status: int
    code: str
    detail: str
    suppressed: int = Field(description="Others like it that were counted and not written.")

    @classmethod
    def of(cls, refused: RefusedRequest) -> "RefusalTold":
        values = vars(refused) | {"key_id": refused.key_id or None}
        return cls(**{name: values[name] for name in cls.model_fields})


class RefusalPage(Told):
    refusals: list[RefusalTold]
    next_cursor: str | None


class AuditRowTold(Told):
    seq: int = Field(description="Counts from 1, without a gap.")
    at: Time
    actor: str = Field(description="An e-mail address, `local owner`, or `sekisho` for the product itself; a pseudonym once it was erased.")
    actor_kind: str = Field(description="user, token, local, anonymous or system.")
    actor_id: str | None = Field(description="The user's id.")
    token_id: str | None = Field(description="The access token's id, where one was used.")
    address: str | None
    request_id: str | None
    action: str = Field(description="`<noun>.<past tense>` for what was changed, `<noun>.<imperative>` for what was ordered.")
    object_kind: str
    object_id: str
    project: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    erased: bool = Field(description="Whether a person in it was erased.")
    hash: str

    @classmethod
    def of(cls, row: AuditRow) -> "AuditRowTold":
        return cls(
            seq=row.seq,
            at=row.at,
            actor=row.actor,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id or None,
            token_id=row.actor_token or None,
            address=row.address or None,
            request_id=row.request_id or None,
            action=row.action,
            object_kind=row.object_kind,
            object_id=row.object_id,
            project=row.project or None,
            before=_document(row.before),
            after=_document(row.after),
            erased=not (row.actor_salt and row.detail_salt),
            hash=row.hash.hex(),
        )


class AuditPage(Told):
    rows: list[AuditRowTold]
    next_cursor: str | None


class AuditCount(Told):
    count: int


class FaultTold(Told):
    seq: int = Field(description="The first row that something is wrong with.")
    reason: str


class AuditChecked(Told):
    ok: bool
    rows: int = Field(description="How many are sound, from the first on.")
    first: int | None = Field(description="The oldest row that is kept.")
    last: int = Field(description="The row that the head says is the last; 0 where there is none.")
    anchor: str = Field(description="`<row>:<hash>` of the head. Noted down elsewhere it proves later that the chain still passes there.")
    fault: FaultTold | None

    @classmethod
    def of(cls, found: Verdict) -> "AuditChecked":
        fault = None if found.fault is None else FaultTold(seq=found.fault.seq, reason=found.fault.reason)
        return cls(ok=fault is None, rows=found.rows, first=found.first or None, last=found.head.seq, anchor=str(found.head), fault=fault)


def _document(text: str) -> dict[str, Any] | None:
    """What was noted down; a row that was tampered with is told all the same."""
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return {"unreadable": text}
    return found if found is None or isinstance(found, dict) else {"unreadable": text}


COLUMNS: Final = tuple(AuditRowTold.model_fields)
_ACTIVE: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula, or for something that hides one."""


def heading() -> str:
    """The first line of a CSV export."""
    return _line(COLUMNS)


def line(row: AuditRow, form: Form) -> str:
    """A row of an export."""
    told = AuditRowTold.of(row).model_dump(mode="json")
    if form == "jsonl":
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"
    return _line(_cell(told[name]) for name in COLUMNS)


def _cell(value: object) -> object:
    """A number as such; a text so that no spreadsheet computes with it."""
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else str(value).lower() if isinstance(value, bool) else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"'{text}" if text.startswith(_ACTIVE) else text


def _line(cells: Iterable[object]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue()
