"""Where a model is served, prepared once per snapshot so that a call only joins bytes.

A credential is bound to the origin it was given for: the head that carries it is built here, for that origin, and nowhere else.
"""

import ssl
from typing import Final
from urllib.parse import urlsplit

import msgspec

from sekisho import __version__
from sekisho.core.model.ids import SANDBOX, recorded_model
from sekisho.core.model.snapshot import Catalog, Credential, Model, Provider, Timeouts
from sekisho.core.wire.http1.writers import field_value

USER_AGENT: Final = f"sekisho/{__version__}".encode()


class Origin:
    """Scheme, host and port of one place, and how to reach it. Hashable by identity: one object per place and trust."""

    __slots__ = ("host", "name", "open", "port", "thread_bound", "tls", "unix_path")

    def __init__(self, name: str, host: str, port: int, tls: ssl.SSLContext | None, unix_path: str | None = None) -> None:
        self.name = name
        """Scheme, host and port, for people and logs."""
        self.host = host
        self.port = port
        self.tls = tls
        self.unix_path = unix_path
        self.open = 0
        """Connections to it, idle ones included."""
        self.thread_bound = False
        """Whether it says `keep-alive: timeout=…`, as servers do that spend a thread on every connection, idle ones too."""

    def __repr__(self) -> str:
        return f"Origin({self.name})"


class Target:
    """One model as a call uses it, by itself or through an API."""

    __slots__ = (
        "_credentials",
        "_heads",
        "_turns",
        "asleep",
        "base_path",
        "host_header",
        "model",
        "origin",
        "provider",
        "quoted_model",
        "recorded",
        "reply_fields",
        "sandbox",
        "timeouts",
        "via",
    )

    def __init__(
        self, model: Model, provider: Provider, origin: Origin | None, base_path: str, host_header: bytes, via: bytes, api: str = ""
    ) -> None:
        self.model = model
        self.provider = provider
        self.origin = origin
        self.base_path = base_path
        self.host_header = host_header
        self.via = via
        self.sandbox = provider.kind == SANDBOX
        self.asleep = origin is None and not self.sandbox
        """Whether the built-in engine must be woken first."""
        self.timeouts: Timeouts = provider.timeouts
        self.quoted_model = msgspec.json.encode(model.upstream_model)
        self.recorded = recorded_model(api, model.id) if api else model.id
        """What the record calls it, and `Targets.find` finds it by."""
        self.reply_fields = b"x-sekisho-provider: %b\r\nx-sekisho-model: %b\r\n" % (field_value(provider.name), field_value(model.id))
        if api:
            self.reply_fields += b"x-sekisho-api: %b\r\n" % field_value(api)
        self._credentials = (model.credential,) if model.credential is not None else provider.credentials
        self._turns = [0] * len(self._credentials)
        self._heads: dict[tuple[str, str], bytes] = {}

    def through(self, api: str) -> "Target":
        """The same target, called through an API."""
        return Target(self.model, self.provider, self.origin, self.base_path, self.host_header, self.via, api)

    @property
    def credentials(self) -> int:
        """How many there are to try."""
        return len(self._credentials)

    def pick(self, tried: tuple[str, ...]) -> Credential | None:
        """The credential whose turn it is by weight (smooth weighted round robin), of those not tried; None where none is left."""
        credentials = self._credentials
        if len(credentials) == 1:
            return None if credentials[0].id in tried else credentials[0]
        best, total = -1, 0
        for index, credential in enumerate(credentials):
            if credential.id in tried:
                continue
            self._turns[index] += credential.weight
            total += credential.weight
            if best < 0 or self._turns[index] > self._turns[best]:
                best = index
        if best < 0:
            return None
        self._turns[best] -= total
        return credentials[best]

    def head(self, path: str, credential: Credential | None) -> bytes:
        """The request head up to the fields of one call: the caller adds those, the length and the empty line."""
        key = (path, credential.id if credential else "")
        head = self._heads.get(key)
        if head is None:
            authorization = b"authorization: Bearer %b\r\n" % credential.secret.encode("ascii", "ignore") if credential else b""
            head = self._heads[key] = (
                b"POST %b HTTP/1.1\r\nhost: %b\r\n%buser-agent: %b\r\naccept-encoding: identity\r\ncontent-type: application/json\r\n"
                b"via: 1.1 %b\r\n" % ((self.base_path + path).encode("ascii"), self.host_header, authorization, USER_AGENT, self.via)
            )
        return head


class Targets:
    """All targets of a snapshot. Origins outlive snapshots, so that connections do."""

    def __init__(self) -> None:
        self._origins: dict[tuple[str, str | None], tuple[Origin, str, bytes]] = {}
        self._by_model: dict[str, Target] = {}

    def install(self, catalog: Catalog) -> None:
        """Prepare a new snapshot's targets; an origin that is still named keeps its connections."""
        providers = {provider.name: provider for provider in catalog.providers}
        via = field_value(f"sekisho-{catalog.instance}")
        by_model: dict[str, Target] = {}
        for model in catalog.models:
            provider = providers.get(model.provider)
            if provider is None:
                continue
            base_url = provider.base_url if model.base_url is None else model.base_url
            if base_url:
                origin, path, host = self._origin(base_url, provider.ca_bundle)
                by_model[model.id] = Target(model, provider, origin, path, host, via)
            else:
                by_model[model.id] = Target(model, provider, None, "", b"", via)
        for api in catalog.apis:
            target = by_model.get(api.target)
            if target is not None:
                published = target.through(api.name)
                by_model[published.recorded] = published
        self._by_model = by_model

    def find(self, recorded: str) -> Target | None:
        """The target of a model's id, or of a model through an API as `recorded_model` spells it; None where there is none."""
        return self._by_model.get(recorded)

    def _origin(self, base_url: str, ca_bundle: str | None) -> tuple[Origin, str, bytes]:
        found = self._origins.get((base_url, ca_bundle))
        if found is None:
            parts = urlsplit(base_url)
            secure = parts.scheme == "https"
            port = parts.port or (443 if secure else 80)
            host = parts.hostname or ""
            shown = f"[{host}]" if ":" in host else host
            header = shown if parts.port is None else f"{shown}:{port}"
            origin = Origin(f"{parts.scheme}://{shown}:{port}", host, port, _tls(ca_bundle) if secure else None)
            found = self._origins[base_url, ca_bundle] = (
                origin,
                parts.path.rstrip("/"),
                header.encode("idna" if not header.isascii() else "ascii"),
            )
        return found


def _tls(ca_bundle: str | None) -> ssl.SSLContext:
    """Certificates are always verified, against the system's authorities or the provider's own bundle."""
    context = ssl.create_default_context(cadata=ca_bundle)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
