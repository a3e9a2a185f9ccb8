"""An ETag names a version of what an answer shows; an update that says which version it was made from changes no other.

`If-Match` is at will: whoever leaves it out takes what is there.
"""

import re
from typing import Annotated, Final

from fastapi import Header, Response

from sekisho.core.model.errors import Kind, Refusal
from sekisho.rest.errors import ApiError, invalid

IfMatch = Annotated[
    str | None, Header(max_length=1000, description="The ETag that the change was made from; any other is refused with 412.")
]

_TAG: Final = re.compile(r'"([0-9]{1,19})"')


def etag(revision: int) -> str:
    """The tag of a version."""
    return f'"{revision}"'


def show(response: Response, revision: int) -> None:
    """Let an answer carry the version that it shows."""
    response.headers["etag"] = etag(revision)


def require_current(if_match: str | None, revision: int, noun: str) -> None:
    """Raise ApiError 412 where the request was made from another version than the one that is there, and 422 where it names none."""
    if if_match is None or if_match.strip() == "*":
        return
    tags = [part.strip() for part in if_match.split(",")]
    if not all(_TAG.fullmatch(tag) for tag in tags):
        raise invalid("If-Match is no list of ETags of this server; repeat the one that the last answer carried", "If-Match")
    if etag(revision) not in tags:
        raise ApiError(
            Refusal(
                412,
                Kind.INVALID,
                "version_mismatch",
                f"the {noun} was changed meanwhile; look at it again, then repeat the change with its new ETag",
                "If-Match",
                headers=(("etag", etag(revision)),),
            )
        )
