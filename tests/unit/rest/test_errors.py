"""Errors name the field as its sender knows it, even where a field is called like a part of a request."""

from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError

from sekisho.rest import errors


def wrong(kind: str, *location: Any, message: str = "Input should be good", **context: Any) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": location, "msg": message, "ctx": context}])


@pytest.mark.parametrize(
    ("error", "status", "code", "param"),
    [
        (wrong("missing", "body", "label"), 422, "missing_field", "label"),
        (wrong("missing", "body"), 422, "missing_field", None),
        (wrong("extra_forbidden", "body", "timeouts", "totl"), 422, "unknown_field", "timeouts.totl"),
        (wrong("string_too_short", "body", "path"), 422, "invalid_value", "path"),
        (wrong("int_parsing", "query", "limit"), 422, "invalid_value", "limit"),
        (wrong("string_type", "body", "models", 3), 422, "invalid_value", "models.3"),
        (wrong("json_invalid", "body", 17, error="Expecting value"), 400, "invalid_json", None),
    ],
)
def test_the_field_is_named(error: RequestValidationError, status: int, code: str, param: str | None) -> None:
    refusal = errors.from_validation(error)
    assert (refusal.status, refusal.code, refusal.param) == (status, code, param)
    assert param is None or param in refusal.message


def test_a_message_of_ours_is_not_dressed_up() -> None:
    refusal = errors.from_validation(wrong("value_error", "body", "name", message="Value error, use small letters"))
    assert refusal.message == "name: use small letters"


def test_a_stranger_gets_the_same_words_everywhere() -> None:
    assert errors.unauthenticated().refusal == errors.unauthenticated().refusal
    assert errors.unauthenticated().refusal.status == 401


def test_the_body_has_the_five_fields() -> None:
    body = errors.body(errors.not_found("API key", "x").refusal, "req_1")
    assert body == {
        "error": {
            "type": "not_found_error",
            "code": "API_key_not_found",
            "message": "there is no API key 'x'",
            "param": None,
            "request_id": "req_1",
        }
    }
