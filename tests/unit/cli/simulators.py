"""Simulators of what the command line talks to: real HTTP servers, on a Unix socket as the node's and on TCP as the gateway's.

They speak the contract, strictly where it protects the test: a body field that the contract does not have is refused, and so is an
unknown route. They decide nothing else, and hold what they were told in memory.
"""

import json
import re
import socketserver
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

CREATED: Final = "2026-01-31T09:00:00.000000Z"
PLAIN_KEY: Final = "sk-sek-0123456789abcdef-" + "x" * 43

Answer = tuple[int, dict[str, Any]]
"""Status and body."""


HANGS_UP: Final[Answer] = (0, {})
"""No answer: the connection is closed, as by a process that was killed."""


def refusal(status: int, code: str, message: str, kind: str = "invalid_request_error") -> Answer:
    """The one error body of the management API."""
    return status, {"error": {"type": kind, "code": code, "message": message, "param": None, "request_id": "req-1"}}


def call(number: int, **fields: Any) -> dict[str, Any]:
    """A call's record, whole."""
    return {
        "id": f"boot-{number}",
        "request_id": f"req-{number}",
        "started_at": CREATED,
        "status": "completed",
        "http_status": 200,
        "method": "POST",
        "path": "/v1/chat/completions",
        "model": "up/gpt-x",
        "provider": "up",
        "upstream_model": "gpt-x",
        "key_id": "k1",
        "key_label": "my app",
        "project": "default",
        "address": "127.0.0.1",
        "stream": False,
        "input_tokens": 1234,
        "output_tokens": 56,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "usage_source": "provider",
        "cost": "0.0002187000",
        "currency": "USD",
        "duration_ms": 1240.5,
        "ttfb_ms": 88.25,
        "stages": {"receive_us": 40, "first_byte_us": 88000},
        "attempts": 1,
        "error": None,
        "finish_reason": "stop",
        "upstream_status": 200,
        "bytes_in": 310,
        "bytes_out": 2048,
        **fields,
    }


FIELDS: Final = {
    ("POST", "/api/keys"): {"label", "rpm", "tpm", "concurrency", "models", "expires_in_s"},
    ("POST", "/api/providers"): {"name", "kind", "base_url", "api_key", "probe", "ca_bundle", "timeouts"},
    ("POST", "/api/models"): {
        "id",
        "upstream_model",
        "input_price",
        "output_price",
        "cached_input_price",
        "capabilities",
        "context_length",
    },
    ("POST", "/api/apis"): {"name", "target", "title", "description", "enabled", "defaults"},
    ("POST", "/api/backups"): {"path"},
}
"""The body fields of the contract; where a route is not named, its handler looks by itself."""


class Node:
    """The management API as the contract has it, over a Unix socket."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.requests: list[tuple[str, str, dict[str, str], dict[str, Any]]] = []
        """Method, path, query, body of every request, in order."""
        self.keys: dict[str, dict[str, Any]] = {}
        self.providers: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.apis: dict[str, dict[str, Any]] = {}
        self.calls: list[dict[str, Any]] = []
        """Newest last."""
        self.settings: dict[str, Any] = {"gateway.host": "127.0.0.1", "gateway.port": 4000, "database.url": None}
        self.gateway_port = 4000
        self.scripted: dict[tuple[str, str], Answer | Callable[[], Answer]] = {}
        """Answers that stand in for the ordinary ones."""

    def __enter__(self) -> Self:
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        self._server = _UnixServer(str(self.socket), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.socket.unlink()

    def bodies(self, method: str, path: str) -> list[dict[str, Any]]:
        """The bodies of all requests to one route."""
        return [body for one, where, _, body in self.requests if (one, where) == (method, path)]

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
        """What the route gives."""
        self.requests.append((method, path, query, body))
        scripted = self.scripted.get((method, path))
        if scripted is not None:
            return scripted() if callable(scripted) else scripted
        unknown = set(body) - FIELDS.get((method, path), set(body))
        if unknown:
            return refusal(422, "unknown_field", f"there is no field {min(unknown)}")
        for verb, pattern, handler in self._routes():
            if verb == method and (match := re.fullmatch(pattern, path)):
                return handler(query, body, *match.groups())
        return refusal(404, "route_not_found", f"there is no route {method} {path}")

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            ("GET", "/health", lambda query, body: (200, {"status": "ok"})),
            ("GET", "/api/status", self._status),
            ("GET", "/api/proxy", self._proxy),
            ("POST", "/api/proxy/reload", lambda query, body: (202, {"accepted": True})),
            ("GET", "/api/certificates", self._certificates),
            ("POST", "/api/system/reload", lambda query, body: (202, {"accepted": True})),
            ("GET", "/api/settings", self._settings),
            ("POST", "/api/keys", self._create_key),
            ("GET", "/api/keys", lambda query, body: _page("api_keys", list(self.keys.values()), query)),
            ("GET", "/api/keys/([^/]+)", lambda query, body, name: self._one(self.keys, "key", name)),
            ("POST", "/api/keys/([^/]+)/revoke", self._revoke_key),
            ("POST", "/api/keys/([^/]+)/rotate", self._rotate_key),
            ("POST", "/api/providers", self._create_provider),
            ("GET", "/api/providers", lambda query, body: _page("providers", list(self.providers.values()), query)),
            ("GET", "/api/providers/([^/]+)", lambda query, body, name: self._one(self.providers, "provider", name)),
            ("PATCH", "/api/providers/([^/]+)", self._change_provider),
            ("DELETE", "/api/providers/([^/]+)", lambda query, body, name: self._remove(self.providers, "provider", name)),
            (
                "POST",
                "/api/providers/([^/]+)/test",
                lambda query, body, name: (200, {"ok": True, "latency_ms": 12.5, "models": 2, "error": None}),
            ),
            ("POST", "/api/providers/([^/]+)/refresh", lambda query, body, name: self._one(self.providers, "provider", name)),
            ("POST", "/api/models", self._create_model),
            ("GET", "/api/models", lambda query, body: _page("models", list(self.models.values()), query)),
            ("PUT", "/api/models/(.+)/rate", self._rate),
            ("DELETE", "/api/models/(.+)", lambda query, body, name: self._remove(self.models, "model", name)),
            ("POST", "/api/apis", self._create_api),
            ("GET", "/api/apis", lambda query, body: _page("apis", list(self.apis.values()), query)),
            ("GET", "/api/apis/([^/]+)", lambda query, body, name: self._one(self.apis, "api", name)),
            ("PATCH", "/api/apis/([^/]+)", self._change_api),
            ("DELETE", "/api/apis/([^/]+)", lambda query, body, name: self._remove(self.apis, "api", name)),
            ("GET", "/api/calls", self._list_calls),
            ("GET", "/api/calls/count", self._count_calls),
            ("GET", "/api/calls/([^/]+)", lambda query, body, name: self._one({each["id"]: each for each in self.calls}, "call", name)),
            ("GET", "/api/usage", self._usage),
            ("POST", "/api/backups", self._backup),
            ("GET", "/api/backups", lambda query, body: (200, {"backups": []})),
            (
                "GET",
                "/api/check",
                lambda query, body: (200, {"ok": True, "checks": [{"name": "tables", "ok": True, "detail": "all there"}]}),
            ),
            ("GET", "/api/doctor", lambda query, body: (200, {"ok": True, "findings": []})),
        ]

    def _status(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        return 200, {
            "version": "0.1.0",
            "supervisor": 11,
            "node": 12,
            "workers": [13, 14],
            "ports": {"gateway": self.gateway_port, "console": 4001},
            "revision": 7,
            "journal_lag_s": 0.2,
            "journal_set_aside": 0,
            "engines": [],
            "started_at": CREATED,
            "home": str(self.socket.parent.parent),
            "database": "sqlite",
        }

    def _proxy(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        usual = {"scheme": "http", "extra": False}
        gateway = {**usual, "name": "gateway", "door": "gateway", "host": self.settings["gateway.host"], "port": self.gateway_port}
        console = {**usual, "name": "console", "door": "console", "host": "127.0.0.1", "port": 4001}
        return 200, {"mode": "local-http", "certificate": None, "root": None, "listeners": [gateway, console]}

    def _certificates(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        root = str(self.socket.parent.parent / "certs" / "packaged-ca" / "root.pem")
        return 200, {"mode": "local-http", "certificates": [], "faults": [], "root": root, "next_cursor": None}

    def _settings(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        return 200, {"settings": [{"name": name, "value": value, "source": "--flag"} for name, value in self.settings.items()]}

    def _one(self, held: dict[str, dict[str, Any]], kind: str, name: str) -> Answer:
        found = held.get(name)
        return (200, found) if found else refusal(404, f"{kind}_not_found", f"there is no {kind} {name}", "not_found_error")

    def _remove(self, held: dict[str, dict[str, Any]], kind: str, name: str) -> Answer:
        if name not in held:
            return refusal(404, f"{kind}_not_found", f"there is no {kind} {name}", "not_found_error")
        del held[name]
        return 200, {"removed": True, "revision": 8, "warnings": []}

    def _create_key(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        key = {
            "id": f"k{len(self.keys) + 1}",
            "label": body["label"],
            "project": "default",
            **{name: body.get(name) for name in ("models", "rpm", "tpm", "concurrency")},
            "created_at": CREATED,
            "expires_at": "2099-01-01T00:00:00.000000Z" if body.get("expires_in_s") else None,
            "revoked_at": None,
        }
        self.keys[key["id"]] = key
        return 201, {**key, "plain_key": PLAIN_KEY, "revision": 8, "warnings": []}

    def _revoke_key(self, query: dict[str, str], body: dict[str, Any], name: str) -> Answer:
        status, found = self._one(self.keys, "key", name)
        if status == 200:
            found["revoked_at"] = CREATED
            return 200, {
                "id": name,
                "revoked": True,
                "revoked_at": CREATED,
                "revision": 9,
                "warnings": ["worker 2 has not acknowledged yet"],
            }
        return status, found

    def _rotate_key(self, query: dict[str, str], body: dict[str, Any], name: str) -> Answer:
        if unknown := set(body) - {"overlap_s", "label"}:
            return refusal(422, "unknown_field", f"there is no field {min(unknown)}")
        status, found = self._one(self.keys, "key", name)
        if status != 200:
            return status, found
        until = CREATED if body.get("overlap_s") else None
        more = {"old_key_id": name, "plain_key": PLAIN_KEY, "rotated_at": CREATED, "overlap_until": until, "revision": 9, "warnings": []}
        return 200, {"id": name, "label": body.get("label", found["label"]), **more}

    def _create_provider(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        name, secret = body["name"], body.get("api_key")
        if name in self.providers:
            return refusal(409, "provider_exists", f"there is a provider {name} already; choose another name")
        credential = {
            "id": "c1",
            "last4": (secret or "")[-4:],
            "fingerprint": "0a1b2c3d",
            "weight": 100,
            "state": "active",
            "created_at": CREATED,
        }
        self.providers[name] = {
            "id": "p1",
            "name": name,
            "kind": body["kind"],
            "base_url": body.get("base_url"),
            "enabled": True,
            "credentials": [credential] if secret else [],
            "models": [f"{name}/one", f"{name}/two"] if body.get("probe", True) else [],
            "state": "ok",
            "created_at": CREATED,
        }
        return 201, {**self.providers[name], "revision": 8, "warnings": []}

    def _change_provider(self, query: dict[str, str], body: dict[str, Any], name: str) -> Answer:
        if unknown := set(body) - {"base_url", "api_key", "enabled", "name", "timeouts", "ca_bundle"}:
            return refusal(422, "unknown_field", f"there is no field {min(unknown)}")
        status, found = self._one(self.providers, "provider", name)
        if status == 200:
            found.update({key: value for key, value in body.items() if key in found})
        return status, found

    def _create_model(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        provider = body["id"].partition("/")[0]
        self.models[body["id"]] = {
            "id": body["id"],
            "provider": provider,
            "capabilities": ["chat"],
            "context_length": body.get("context_length"),
            **{name: body.get(name) for name in ("input_price", "output_price", "cached_input_price")},
            "currency": "USD",
        }
        return 201, {**self.models[body["id"]], "revision": 8, "warnings": []}

    def _rate(self, query: dict[str, str], body: dict[str, Any], name: str) -> Answer:
        if unknown := set(body) - {"input_price", "output_price", "cached_input_price", "currency"}:
            return refusal(422, "unknown_field", f"there is no field {min(unknown)}")
        status, found = self._one(self.models, "model", name)
        if status == 200:
            found.update(body)
        return status, found

    def _create_api(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        usual = {"title": "", "description": "", "enabled": True, "defaults": {}, "state": "ready", "reason": None}
        self.apis[body["name"]] = {**usual, **body, "created_at": CREATED, "updated_at": CREATED}
        return 201, {**self.apis[body["name"]], "revision": 8, "warnings": []}

    def _change_api(self, query: dict[str, str], body: dict[str, Any], name: str) -> Answer:
        if unknown := set(body) - {"target", "title", "description", "enabled", "defaults"}:
            return refusal(422, "unknown_field", f"there is no field {min(unknown)}")
        status, found = self._one(self.apis, "api", name)
        if status == 200:
            found.update(body)
        return status, {**found, "revision": 9, "warnings": ["worker 2 has not acknowledged yet"]} if status == 200 else found

    def _matching(self, query: dict[str, str]) -> list[dict[str, Any]]:
        names = ("status", "model", "provider", "key_id")
        return [each for each in self.calls if all(each[name] == query[name] for name in names if name in query)]

    def _list_calls(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        found = self._matching(query)
        if (after := query.get("after")) is not None:
            start = {"now": len(found), "start": 0}.get(after) if not after.isdecimal() else int(after)
            return 200, {"calls": found[start:], "next_cursor": str(len(found))}
        return _page("calls", found[::-1], query)

    def _count_calls(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        return 200, {"count": len(self._matching(query))}

    def _usage(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        sums = {"calls": 3, "completed": 2, "failed": 1, "cancelled": 0, "input_tokens": 4321, "output_tokens": 9, "cached_tokens": 0}
        money = {"cost": "1.2500000000", "currency": "USD"}
        period = {"from": CREATED, "to": CREATED}
        return 200, {"period": period, "totals": {**sums, **money}, "rows": [{"key": f"up/{query['by']}", **sums, **money}]}

    def _backup(self, query: dict[str, str], body: dict[str, Any]) -> Answer:
        return 201, {"path": body.get("path", "/home/backups/x"), "bytes": 4096, "calls": 3, "keys": 1, "created_at": CREATED}


def _page(plural: str, entries: list[dict[str, Any]], query: dict[str, str]) -> Answer:
    """A page of a list; the cursor is an offset, which a client must not care about."""
    limit, start = int(query.get("limit", 100)), int(query.get("cursor", 0))
    if not 1 <= limit <= 1000:
        return refusal(422, "invalid_limit", "limit is from 1 to 1000")
    more = str(start + limit) if start + limit < len(entries) else None
    return 200, {plural: entries[start : start + limit], "next_cursor": more}


class _HttpServer(ThreadingHTTPServer):
    """A client that leaves in the middle is part of the play, and no word of it goes where the command's own words are read."""

    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = False


def _handler(node: Node) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length)) if length else {}
            status, document = node.answer(self.command, unquote(parts.path), query, body or {})
            if (status, document) == HANGS_UP:
                self.close_connection = True
                return
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps quiet: a Unix socket has no address to log, either."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._serve)
    return Handler


class Gateway:
    """A gateway that answers every chat with pieces given beforehand."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.body: bytes = b""
        self.pieces: list[bytes] = []
        self.models = ["sandbox/echo"]
        self.between: Callable[[int], None] = lambda number: None
        """Called after each piece was sent."""

    def __enter__(self) -> Self:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5

            def do_GET(self) -> None:
                self._send(200, json.dumps({"object": "list", "data": [{"id": name} for name in gateway.models]}).encode())

            def do_POST(self) -> None:
                gateway.keys.append(self.headers.get("authorization"))
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                gateway.requests.append(request)
                if gateway.status != 200 or not request.get("stream"):
                    self._send(gateway.status, gateway.body)
                    return
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for number, piece in enumerate(gateway.pieces):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.flush()
                    gateway.between(number)
                self.wfile.write(b"0\r\n\r\n")

            def _send(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.send_header("x-request-id", "req-9")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Keeps quiet."""

        self._server = _HttpServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"
