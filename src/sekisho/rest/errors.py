"""A service that will not do something says so once, as a `Refusal`; the application renders it.

Nothing else of an error leaves the house.
"""

from typing import Any

from fastapi.exceptions import RequestValidationError

from sekisho.core.model.errors import Kind, Refusal


class ApiError(Exception):
    """A refusal on its way to the caller."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def invalid(message: str, param: str | None, code: str = "invalid_value") -> ApiError:
    """422: the request is well formed and asks for what cannot be; `param` names the field."""
    return ApiError(Refusal(422, Kind.INVALID, code, message, param))


def not_found(noun: str, name: str) -> ApiError:
    """404: no such thing. `noun` is one of DESIGN's words, such as `key`."""
    return ApiError(Refusal(404, Kind.NOT_FOUND, f"{noun.replace(' ', '_')}_not_found", f"there is no {noun} {name!r}"))


def conflict(message: str, param: str | None, code: str = "conflict") -> ApiError:
    """409: it would contradict what is there."""
    return ApiError(Refusal(409, Kind.INVALID, code, message, param))


def unauthenticated() -> ApiError:
    """401, the same for every route and every absent one: a stranger learns nothing."""
    return ApiError(
        Refusal(
            401,
            Kind.AUTHENTICATION,
            "authentication_required",
            "this needs a login: log in at the console, send an access token, or run `sekisho` on the host itself",
        )
    )


def forbidden(permission: str) -> ApiError:
    """403: known, but not allowed."""
    return ApiError(Refusal(403, Kind.PERMISSION, "permission_denied", f"this needs the permission {permission}"))


def body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """The one error body of the management API."""
    return {
        "error": {
            "type": refusal.kind.value,
            "code": refusal.code,
            "message": refusal.message,
            "param": refusal.param,
            "request_id": request_id,
        }
    }


def from_validation(error: RequestValidationError) -> Refusal:
    """The first thing that is wrong with a request's shape, naming the field as its sender knows it."""
    first = error.errors()[0]
    # The first part of the location says where the field stands: body, query, path.
    location = [str(part) for part in first["loc"][1:]]
    if first["type"] == "json_invalid":
        return Refusal(400, Kind.INVALID, "invalid_json", f"the body is not JSON: {first['ctx']['error']}")
    param = ".".join(location) or None
    if first["type"] == "extra_forbidden":
        near = first.get("ctx", {}).get("near")
        remedy = f"did you mean {near!r}?" if near else "leave it out or check its spelling"
        return Refusal(422, Kind.INVALID, "unknown_field", f"there is no field {param!r} here; {remedy}", param)
    if first["type"] == "missing":
        what = f"the field {param!r}" if param else "a JSON body"
        return Refusal(422, Kind.INVALID, "missing_field", f"{what} is missing", param)
    message = str(first["msg"]).removeprefix("Value error, ")
    return Refusal(422, Kind.INVALID, "invalid_value", f"{param or 'the request'}: {message[:1].lower()}{message[1:]}", param)
