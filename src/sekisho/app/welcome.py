"""The first words: a look for engines when a home is new, and the lines that show how to begin."""

import json
import logging
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from sekisho import __version__

if TYPE_CHECKING:
    from sekisho.api.services import Services

log = logging.getLogger(__name__)


async def register_engines(of: "Services") -> tuple[str, ...]:
    """Look for engines on this machine, add those that answer as providers, and tell of each in a line."""
    from sekisho.engines import detect

    lines = []
    for name, found in detect.name_providers(await detect.detect()):
        line = found.describe()
        if not found.locked:
            line += await _register(of, name, found.kind, found.base_url)
        lines.append(line)
    return tuple(lines)


async def _register(of: "Services", name: str, kind: str, base_url: str) -> str:
    """Add one engine; the end of its line says as what."""
    try:
        draft = of.catalog.draft(name, kind, base_url)
        listing = await of.catalog.ask(draft)
        await of.sessions.transact(lambda session: of.catalog.add_provider(session, draft, listing))
    except Exception as error:
        # A stranger on a port must not spoil a first start.
        log.warning("a found engine could not be added", extra={"provider": name}, exc_info=error)
        return f", not added: {error}"
    return f", added as provider {name}"


def banner(
    *,
    gateway: str,
    console: str,
    home: str,
    first_key: str | None,
    engines: tuple[str, ...] | None,
    root: Path | None = None,
    setup_token: str | None = None,
) -> str:
    """What a start prints on standard output; the long form where a key was made. `root` is what clients of our TLS have to trust."""
    lines = [f"Sekisho {__version__} serves.", "", f"  Gateway   {gateway}/v1", f"  Console   {console}", f"  Home      {home}"]
    if root is not None:
        lines.append(f"  Root      {root}")
    if engines is not None:
        found = engines or ("none found on this machine; `sekisho providers add` adds one, files in <home>/models are served as they are",)
        lines += [f"  {'Engines' if index == 0 else '':<9} {line}" for index, line in enumerate(found)]
    if setup_token is not None:
        lines.append(f"  Setup     {setup_link(console, setup_token)}")
    if first_key is not None:
        lines += [
            f"  Key       {first_key}",
            "",
            "The key is shown once. Paste this to try it:",
            "",
            f"  {curl_line(gateway, first_key, root)}",
        ]
    if setup_token is not None:
        lines += ["", "The setup link opens once and makes you the console's owner."]
    return "\n".join([*lines, ""])


def setup_link(console: str, token: str) -> str:
    """The address that makes the first owner. What stands behind # stays in the browser: no server and no log sees it."""
    return f"{console}/setup#{token}"


def curl_line(gateway: str, key: str, root: Path | None = None) -> str:
    """One line for a shell that gets an answer from the sandbox."""
    trust = f"--cacert {shlex.quote(str(root))} " if root is not None else ""
    body = json.dumps({"model": "sandbox/echo", "messages": [{"role": "user", "content": "Hello, Sekisho"}]})
    return f"curl {trust}{gateway}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{body}'"
