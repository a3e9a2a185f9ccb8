"""What the hot path leaves in its journal. Fields are written by position: append at the end, never reorder.

A call is a `CallBegan` before the first upstream byte and a `CallEnded` before the last byte of the response, joined by `seq`,
which counts from 1 within one boot of one worker.
"""

import enum
from typing import Final

import msgspec

from sekisho.core.model.ids import split_recorded

STAGES: Final = ("receive", "screen", "authenticate", "body", "route", "admit", "connect", "first_byte", "relay")
"""Names of the own times in `CallEnded.stages`, in order. `receive` is from the accept (or the first byte of a further request on
the connection) to the end of the head; `connect` includes sending; `first_byte` and `relay` are waits for the upstream."""


class Status(enum.IntEnum):
    """How a call ended."""

    COMPLETED = 0
    FAILED = 1
    CANCELLED = 2


class CallBegan(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="b"):
    seq: int
    request_id: str
    started_at: int
    """Wall time in microseconds."""
    method: str
    path: str
    address: str
    key_id: str
    key_label: str
    project: str
    model: str
    """The model's id; through an API, that name before it (`ids.recorded_model`). Whoever reads it takes `api` and `served`."""
    provider: str
    upstream_model: str
    credential_id: str
    stream: bool
    client_request_id: str = ""
    user_agent: str = ""

    @property
    def api(self) -> str:
        """The API that the call named; empty where it named a model."""
        return split_recorded(self.model)[0]

    @property
    def served(self) -> str:
        """The model that was asked, by its canonical id."""
        return split_recorded(self.model)[1]


class CallEnded(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="e"):
    seq: int
    status: int
    """A `Status`."""
    http_status: int
    """What the client was told; 499 where it left before an answer."""
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usage_source: int
    """A `chat.UsageSource`."""
    cost: int | None
    """1e-10 units of `currency`; None where the model has no rate."""
    currency: str
    marks: tuple[int, ...]
    """Nanoseconds of a clock without a date: the start, then the end of each of `STAGES`; 0 where a stage was not reached. The
    differences are taken where the record is read, not where it is written."""
    attempts: int
    bytes_in: int
    bytes_out: int
    upstream_status: int = 0
    """0 where no head came."""
    error_code: str = ""
    error_message: str = ""
    finish_reason: str = ""

    @property
    def duration_us(self) -> int:
        """From the accept to the record, in microseconds."""
        return (self.marks[-1] - self.marks[0]) // 1000 if self.marks else 0

    @property
    def ttfb_us(self) -> int | None:
        """From the accept to the first byte of the provider's answer, in microseconds; None where none came."""
        return (self.marks[-2] - self.marks[0]) // 1000 if self.marks and self.marks[-2] else None

    @property
    def own_us(self) -> int | None:
        """What looking, the key, the way and the limits took of it, in microseconds; None where it did not come that far."""
        marks = self.marks
        if len(marks) < 7 or not marks[6]:
            return None
        # Between the key and the way stands the body, which is the client's time.
        return (marks[3] - marks[1] + marks[6] - marks[4]) // 1000

    @property
    def stages(self) -> tuple[int, ...]:
        """Own times in microseconds, by the names of `STAGES`."""
        times = []
        last = self.marks[0] if self.marks else 0
        for mark in self.marks[1:]:
            times.append(max(mark - last, 0) // 1000 if mark else 0)
            last = mark or last
        return tuple(times)


class Refused(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="r"):
    """A request that no upstream saw. `suppressed` counts others like it that the flood bound left unwritten."""

    at: int
    request_id: str
    method: str
    path: str
    address: str
    key_id: str
    http_status: int
    code: str
    detail: str
    suppressed: int = 0


class Rolled(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="n"):
    """The segment is full; the next one goes on."""

    next_segment: int


class Closed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="c"):
    """The worker ended by itself; nothing follows in this boot."""

    at: int


Frame = CallBegan | CallEnded | Refused | Rolled | Closed
