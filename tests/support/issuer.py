"""An OpenID provider on loopback that behaves, and misbehaves where a test tells it to.

    with Issuer(now) as issuer:
        back = issuer.visit(location)      # what a browser would be sent back to

It keeps the protocol's side of the bargain for real: a code opens once, and only for who shows the verifier of its challenge.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT: Final = "sekisho-client"
SECRET: Final = "a secret/of the+client"


def spelled(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """A signing key with its name."""

    def __init__(self, kid: str, bits: int = 2048) -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(65537, bits)

    def public(self) -> dict[str, Any]:
        """As it stands in a key set."""
        return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key())), "kid": self.kid, "use": "sig", "alg": "RS256"}

    def pem(self) -> bytes:
        """The public half, as somebody might take it for a shared secret."""
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def raw(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token of parts that nobody checked."""
    return ".".join((spelled(json.dumps(header).encode()), spelled(json.dumps(claims).encode()), spelled(signature)))


def by_shared_secret(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """A token with an HMAC of whatever bytes."""
    unsigned = raw({**header, "alg": "HS256"}, claims).rpartition(".")[0]
    return f"{unsigned}.{spelled(hmac.digest(secret, unsigned.encode(), 'sha256'))}"


KEY: Final = Key("first")


class Issuer:
    """Use as a context manager; `now` gives wall microseconds."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.keys = [KEY]
        self.subject = "subject-1"
        self.claims: dict[str, Any] = {"email": "Erika@Example.org", "email_verified": True, "name": "Erika"}
        self.discovery: dict[str, Any] = {}
        """Members of the discovery document that are not as they should be."""
        self.answers: dict[str, bytes] = {}
        """Bodies that are sent for a path, whatever is asked."""
        self.delay: dict[str, float] = {}
        """Seconds before the answer to a path; cut short when the issuer closes."""
        self.sign: Callable[[dict[str, Any], dict[str, Any]], str] = self.signed
        self.asked: Counter[str] = Counter()
        self._codes: dict[str, dict[str, str]] = {}
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self, {})

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                form = parse_qs(self.rfile.read(length).decode(), keep_blank_values=True)
                outer._answer(self, {name: value for name, (value,) in form.items()})

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # What a browser does

    def visit(self, location: str, **changed: str) -> str:
        """Log in where the location leads; path and query of what the browser is sent back to. `changed` are members of that query."""
        asked = {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}
        assert location.startswith(f"{self.url}/authorize?")
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (CLIENT, "code", "S256")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return f"{urlsplit(asked['redirect_uri']).path}?{urlencode({'code': code, 'state': asked['state'], **changed})}"

    # What the other side asks

    def token(self, asked: dict[str, str]) -> str:
        """The ID token for a login that was asked for so."""
        now = self._now() // 1_000_000
        claims = {"iss": self.url, "aud": CLIENT, "sub": self.subject, "iat": now, "exp": now + 300, "nonce": asked["nonce"], **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        return self.sign({"kid": self.keys[0].kid, "typ": "JWT"}, claims)

    def signed(self, header: dict[str, Any], claims: dict[str, Any], key: Key | None = None) -> str:
        """As it should be."""
        return jwt.encode(claims, (key or self.keys[0]).private, "RS256", headers=header)

    def _answer(self, request: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        path = urlsplit(request.path).path
        self.asked[path] += 1
        self._closing.wait(self.delay.get(path, 0))
        status, body = 200, self.answers.get(path)
        if body is None:
            status, document = self._document(path, form)
            body = json.dumps(document).encode()
        try:
            request.send_response(status)
            request.send_header("content-type", "application/json")
            request.send_header("content-length", str(len(body)))
            request.send_header("connection", "close")
            request.end_headers()
            request.wfile.write(body)
        except OSError:
            # Whoever asked has left: a test of an issuer that is too slow, or sends too much.
            request.close_connection = True

    def _document(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                **self.discovery,
            }
        if path == "/keys":
            return 200, {"keys": [key.public() for key in self.keys]}
        if path == "/token":
            asked = self._codes.pop(form.get("code", ""), None)
            if asked is None:
                return 400, {"error": "invalid_grant"}
            right = spelled(hashlib.sha256(form["code_verifier"].encode()).digest()) == asked["code_challenge"]
            if not right or form["redirect_uri"] != asked["redirect_uri"]:
                return 400, {"error": "invalid_grant"}
            if (form["client_id"], form.get("client_secret")) != (CLIENT, SECRET):
                return 401, {"error": "invalid_client"}
            return 200, {"id_token": self.token(asked), "access_token": "unused", "token_type": "Bearer"}
        return 404, {"error": "not_found"}
