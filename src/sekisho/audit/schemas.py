"""The bodies of `/api/refusals`."""

from pydantic import Field

from sekisho.audit.model import RefusedRequest
from sekisho.rest.schemas import Time, Told


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
