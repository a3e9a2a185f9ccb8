"""The console's files: what the build listed, held in memory from the start, and nothing else.

No path is ever joined to a directory: what is asked for is compared, as it was sent, with the list. So there is nothing to climb out of,
and a node goes on serving the console that it began with while a newer one is being installed. Files whose names hold a digest are kept
by browsers for good; all others are asked for again, which costs an answer without a body as long as they are the same.

An address that is no file and no route is a screen when a browser navigates to it: it gets the page, which finds its own way. `/` is
the page for everybody.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sekisho.rest.permissions import DOOR, TUNNEL

_log: Final = logging.getLogger(__name__)

DIRECTORY: Final = Path(__file__).parent / "static"
"""Where `make console` puts them; a source tree has none before."""
LIST: Final = "files.json"
PAGE: Final = b"/index.html"
ENCODINGS: Final = {"br": "br", "gzip": "gz"}
"""Content codings, best first, with the ending of the file that holds the form."""
RESERVED: Final = frozenset((b"api", b"assets", b"gateway", b"health", b"metrics", b"v1", b"v1beta"))
"""First parts of addresses that are never a screen: what is not there is not there."""

POLICY: Final = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Scripts, styles, type and pictures come from us alone, nothing stands inside the page's text, and no text ever becomes a script."""
HEADERS: Final = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "referrer-policy": "same-origin",
    "vary": "accept-encoding",
}
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
NOT_BUILT: Final = "This Sekisho runs from sources whose console was not built. Run `make console` and start it again.\n"


class _Listed(msgspec.Struct, frozen=True):
    type: str
    digest: str
    forms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """One file, in each form that it travels in; the empty name is the file as it is."""

    media_type: str
    digest: str
    forms: Mapping[str, bytes]
    hashed: bool


Files = Mapping[bytes, File]
"""By path, as a request has it."""


def load(directory: Path = DIRECTORY) -> Files:
    """The files that the build listed; none where there is no build, or a broken one, which the log tells."""
    try:
        listed = msgspec.json.decode((directory / LIST).read_bytes(), type=dict[str, _Listed])
        return {path.encode(): _read(directory, path, each) for path, each in listed.items()}
    except FileNotFoundError as error:
        _log.warning("there is no console to serve, run `make console`: %s is not there", error.filename)
    except (OSError, msgspec.MsgspecError) as error:
        _log.error("the console cannot be served, run `make console`: %s", error)
    return {}


def _read(directory: Path, path: str, listed: _Listed) -> File:
    place = directory / path.lstrip("/")
    forms = {"": place.read_bytes()}
    for encoding, ending in ENCODINGS.items():
        if ending in listed.forms:
            forms[encoding] = place.with_name(f"{place.name}.{ending}").read_bytes()
    return File(listed.type, listed.digest, forms, hashed=path.startswith("/assets/"))


class Console:
    """In front of the application: answers for files and screens, and leaves everything else to it."""

    def __init__(self, app: ASGIApp, files: Files) -> None:
        self._app = app
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(scope) if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        headers = Headers(scope=scope)
        file = self._files.get(path)
        if file is None:
            first = path.lstrip(b"/").partition(b"/")[0]
            if first in RESERVED or (first and not _navigates(headers)):
                return None
            file = self._files.get(PAGE)
            if file is None:
                return PlainTextResponse(NOT_BUILT, 404)
        # The tunnel passes no compressed answer on, except from us and under this name.
        return _tell(file, headers, "x-sekisho-content-encoding" if scope.get(DOOR) == TUNNEL else "content-encoding")


def _navigates(headers: Headers) -> bool:
    """Whether a person asks for a page: scripts ask for JSON, or for anything."""
    return "text/html" in headers.get("accept", "")


def _tell(file: File, headers: Headers, coding: str) -> Response:
    encoding = _choose(file.forms, headers.get("accept-encoding", ""))
    tag = f'"{file.digest}-{encoding}"' if encoding else f'"{file.digest}"'
    told = {**HEADERS, "etag": tag, "cache-control": FOREVER if file.hashed else ASK_AGAIN}
    if tag in (each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(",")):
        return Response(None, 304, told)
    if encoding:
        told[coding] = encoding
    return Response(file.forms[encoding], 200, {**told, "content-type": file.media_type})


def _choose(forms: Mapping[str, bytes], accepted: str) -> str:
    """The smallest form that the client can read."""
    wanted = {}
    for each in accepted.lower().split(","):
        name, _, quality = each.partition(";")
        wanted[name.strip()] = quality.replace(" ", "")
    for encoding in ENCODINGS:
        if encoding in forms and encoding in wanted and wanted[encoding] not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            return encoding
    return ""
