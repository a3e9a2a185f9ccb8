"""A refusal as it is told."""

from sekisho.audit.model import RefusedRequest
from sekisho.audit.schemas import RefusalTold


def test_a_request_without_a_key_has_none() -> None:
    refused = RefusedRequest(1, 0, "req", "GET", "/v1/models", "127.0.0.1", "", 401, "missing_api_key", "no key", 2)
    told = RefusalTold.of(refused).model_dump(mode="json")
    assert (told["key_id"], told["suppressed"], told["at"]) == (None, 2, "1970-01-01T00:00:00.000000Z")
    assert "number" not in told
