"""What an issuer says of itself, asked of it and kept for a while: its addresses (OpenID Connect Discovery 1.0) and its keys.

It is asked over the one way out, at its own origin, which its being set up has registered; every address that it names has to lie there
too, or on a public one. A token that names a key we do not know makes us ask again, but not more often than once in a while: otherwise
whoever can send us tokens could make us flood the issuer.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Never

from sekisho.egress.client import Answer, Egress, EgressError, origin_of
from sekisho.identity.issuers.idtokens import MAX_TOKEN, RejectedError
from sekisho.kit.clock import Clock

WELL_KNOWN: Final = "/.well-known/openid-configuration"

KEPT_SECONDS: Final = 3600.0
"""How long what an issuer said is believed without asking again."""

FAILED_SECONDS: Final = 10.0
"""How long an issuer that could not be asked is left alone."""

KEYS_AGAIN_SECONDS: Final = 60.0
"""The least time between two fetches of an issuer's keys."""

MOST_EXCHANGES: Final = 32
"""Codes that are being exchanged at once: strangers may send as many as they like, and an issuer may be slow."""

MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
TOTAL_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Asked:
    """How an issuer is reached."""

    issuer: str
    ca_bundle: str | None


@dataclass(frozen=True)
class Discovery:
    """The addresses of an issuer."""

    authorization: str
    token: str
    keys: str


@dataclass
class _Known:
    discovery: Discovery
    discovered_at: float
    keys: tuple[Mapping[str, Any], ...] = ()
    keys_at: float | None = None


class Discoveries:
    """Asks issuers, and remembers."""

    def __init__(self, egress: Egress, clock: Clock) -> None:
        self._egress = egress
        self._clock = clock
        self._known: dict[Asked, _Known] = {}
        self._exchanging = 0
        self._failed: dict[Asked, tuple[float, RejectedError]] = {}
        self._asking: defaultdict[Asked, asyncio.Lock] = defaultdict(asyncio.Lock)

    def forget(self) -> None:
        """Ask everything anew: an issuer was changed."""
        self._known.clear()
        self._failed.clear()
        # Whoever waits goes on with the lock that they have.
        self._asking.clear()

    async def discover(self, asked: Asked) -> Discovery:
        """The addresses; raises RejectedError where the issuer does not give good ones. Of many who ask at once one asks the issuer."""
        async with self._asking[asked]:
            return await self._discover(asked)

    async def _discover(self, asked: Asked) -> Discovery:
        known = self._known.get(asked)
        now = self._clock.monotonic()
        if known is not None and now - known.discovered_at < KEPT_SECONDS:
            return known.discovery
        failed_at, failure = self._failed.get(asked, (0.0, None))
        if failure is not None and now - failed_at < FAILED_SECONDS:
            raise failure
        try:
            discovery = await self._ask_itself(asked)
        except RejectedError as error:
            self._failed[asked] = (self._clock.monotonic(), error)
            raise
        self._known[asked] = _Known(discovery, now)
        self._failed.pop(asked, None)
        return discovery

    async def _ask_itself(self, asked: Asked) -> Discovery:
        document = await self._document(asked, asked.issuer.rstrip("/") + WELL_KNOWN, "its discovery document")
        if document.get("issuer") != asked.issuer:
            _no("discovery_mismatch", f"what stands at {asked.issuer} says that it is another issuer; copy the address exactly")
        discovery = Discovery(
            *(_address(document.get(name), name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")),
        )
        methods = document.get("code_challenge_methods_supported")
        if isinstance(methods, list) and "S256" not in methods:
            _no("pkce_unsupported", "the issuer supports no PKCE with S256")
        return discovery

    async def keys(self, asked: Asked, *, again: bool = False) -> Sequence[Mapping[str, Any]]:
        """The issuer's keys; `again` where one was missing. Raises RejectedError."""
        discovery = await self.discover(asked)
        known = self._known[asked]
        now = self._clock.monotonic()
        age = None if known.keys_at is None else now - known.keys_at
        if age is not None and age < (KEYS_AGAIN_SECONDS if again or not known.keys else KEPT_SECONDS):
            return known.keys
        # Noted before it is asked: an issuer that answers slowly, or not at all, is not asked more often for it.
        known.keys_at = now
        document = await self._document(asked, discovery.keys, "its keys")
        found = document.get("keys")
        if not isinstance(found, list) or len(found) > MAX_KEYS or not all(isinstance(each, dict) for each in found):
            _no("issuer_invalid", "the issuer's key set holds no list of keys")
        known.keys = tuple(found)
        return known.keys

    async def exchange(self, asked: Asked, client_id: str, secret: str | None, code: str, redirect_uri: str, verifier: str) -> str:
        """Exchange the code for the ID token; raises RejectedError."""
        discovery = await self.discover(asked)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": client_id,
            "code_verifier": verifier,
        }
        if secret is not None:
            form["client_secret"] = secret
        if self._exchanging >= MOST_EXCHANGES:
            _no("issuer_busy", "too many logins wait for the issuer; try again in a moment")
        self._exchanging += 1
        try:
            answer = await self._egress.post(
                discovery.token,
                form,
                headers={"accept": "application/json"},
                registered=origin_of(asked.issuer),
                ca_bundle=asked.ca_bundle,
                max_bytes=MAX_BYTES,
                total_seconds=TOTAL_SECONDS,
            )
        except EgressError as error:
            raise RejectedError("issuer_unreachable", f"the issuer's token endpoint: {error}") from None
        finally:
            self._exchanging -= 1
        document = _object(answer, "the issuer's answer to the code")
        if answer.status != 200:
            word = str(document.get("error", "without a reason"))[:100]
            _no("code_refused", f"the issuer refused the code ({answer.status}, {word if word.isprintable() else '?'})")
        found = document.get("id_token")
        if not isinstance(found, str) or len(found) > MAX_TOKEN:
            _no("missing_token", "the issuer's answer holds no ID token; is openid among the scopes?")
        return found

    async def _document(self, asked: Asked, url: str, what: str) -> dict[str, Any]:
        try:
            answer = await self._egress.get(
                url,
                headers={"accept": "application/json"},
                registered=origin_of(asked.issuer),
                ca_bundle=asked.ca_bundle,
                total_seconds=TOTAL_SECONDS,
                max_bytes=MAX_BYTES,
            )
        except EgressError as error:
            raise RejectedError("issuer_unreachable", f"the issuer does not give {what}: {error}") from None
        if answer.status != 200:
            _no("issuer_unreachable", f"the issuer does not give {what}: it answered {answer.status}")
        return _object(answer, what)


def _no(reason: str, message: str) -> Never:
    raise RejectedError(reason, message)


def _object(answer: Answer, what: str) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        _no("issuer_invalid", f"{what} is no JSON object")
    return document


def _address(value: object, name: str) -> str:
    try:
        if not isinstance(value, str):
            raise EgressError("it is missing")
        origin_of(value.partition("?")[0] if name == "authorization_endpoint" else value)
    except EgressError as error:
        raise RejectedError("issuer_invalid", f"the issuer's {name} is no address: {error}") from None
    return value
