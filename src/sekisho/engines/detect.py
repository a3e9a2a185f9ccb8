"""Looks for engines that already run on this machine, on the loopback ports that they are known for, within two seconds.

It only reports. What answers is told by its answer, never by its port, because other programs like the same ports.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from sekisho.egress.client import Egress, EgressError, origin_of

PORTS: Final = (11434, 1234, 8000, 8080)
"""Ollama, LM Studio, vLLM, llama.cpp."""
CONNECT_SECONDS: Final = 0.5
SECONDS: Final = 1.5
"""For one port, all questions together."""
MAX_BYTES: Final = 1024 * 1024
MOST_MODELS: Final = 1000

_TITLES: Final = {"ollama": "Ollama", "lmstudio": "LM Studio", "vllm": "vLLM", "llamacpp": "llama.cpp"}


class Found(msgspec.Struct, frozen=True):
    """An engine that answered."""

    kind: str
    """`ollama`, `lmstudio`, `vllm` or `llamacpp`."""
    base_url: str
    """Ends before `/chat/completions`."""
    models: tuple[str, ...] = ()
    version: str = ""
    locked: bool = False
    """It wants a key, so its models are not known."""

    def describe(self) -> str:
        """One line for people."""
        name = f"{_TITLES[self.kind]} {self.version}".strip()
        if self.locked:
            return f"{name} at {self.base_url} (it wants a key: add it with `sekisho providers add --api-key-stdin`)"
        return f"{name} at {self.base_url} ({len(self.models)} model{'' if len(self.models) == 1 else 's'})"


class _Answer(msgspec.Struct, frozen=True):
    status: int
    server: str
    """The header of that name."""
    body: Any
    """The JSON value, None where it is none."""


async def detect(ports: Iterable[int] = PORTS, egress: Egress | None = None) -> tuple[Found, ...]:
    """Ask all ports at once; what does not answer in time is not there."""
    asked = (_examine(egress or Egress(), f"http://127.0.0.1:{port}") for port in ports)
    return tuple(found for found in await asyncio.gather(*asked) if found is not None)


def name_providers(found: Iterable[Found], taken: Collection[str] = ()) -> tuple[tuple[str, Found], ...]:
    """Give each its provider name: its kind, with a number from 2 on where that is taken."""
    names = set(taken)
    named = []
    for each in found:
        name, number = each.kind, 1
        while name in names:
            number += 1
            name = f"{each.kind}-{number}"
        names.add(name)
        named.append((name, each))
    return tuple(named)


async def _examine(egress: Egress, origin: str) -> Found | None:
    try:
        async with asyncio.timeout(SECONDS):
            return await _identify(egress, origin)
    except (TimeoutError, EgressError):
        return None


async def _identify(egress: Egress, origin: str) -> Found | None:
    listed = await _ask(egress, f"{origin}/v1/models")
    base_url = f"{origin}/v1"
    if listed.status == 401:
        return Found("llamacpp", base_url, locked=True) if listed.server == "llama.cpp" else None
    models = _list(listed.body, "data")
    if listed.status != 200 or models is None:
        return None
    names = tuple(str(model["id"]) for model in models[:MOST_MODELS] if isinstance(model, dict) and "id" in model)
    owners = {model.get("owned_by") for model in models if isinstance(model, dict)}
    if "llamacpp" in owners:
        return Found("llamacpp", base_url, names)
    if "vllm" in owners:
        return Found("vllm", base_url, names, _version((await _ask(egress, f"{origin}/version")).body))
    if _list((await _ask(egress, f"{origin}/api/tags")).body, "models") is not None:
        return Found("ollama", base_url, names, _version((await _ask(egress, f"{origin}/api/version")).body))
    if _list((await _ask(egress, f"{origin}/api/v0/models")).body, "data") is not None:
        return Found("lmstudio", base_url, names)
    return None


async def _ask(egress: Egress, url: str) -> _Answer:
    answer = await egress.get(
        url,
        headers={"accept": "application/json"},
        registered=origin_of(url),
        connect_seconds=CONNECT_SECONDS,
        total_seconds=SECONDS,
        max_bytes=MAX_BYTES,
    )
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    return _Answer(answer.status, answer.headers.get("server", ""), body)


def _list(body: Any, member: str) -> list[Any] | None:
    """The list in a member of an object; None where there is none."""
    value = body.get(member) if isinstance(body, dict) else None
    return value if isinstance(value, list) else None


def _version(body: Any) -> str:
    """A version as far as it looks like one."""
    text = body.get("version") if isinstance(body, dict) else None
    return text if isinstance(text, str) and len(text) <= 40 and text.isascii() and text.isprintable() else ""
