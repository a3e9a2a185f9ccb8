"""What one run of the program knows: the format, the home, where secrets are read from, and the way to the management API."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TextIO

from sekisho.cli.failures import CommandError, usage
from sekisho.cli.screens import Screen, is_terminal
from sekisho.kit.clock import Clock, SystemClock
from sekisho.kit.crypto import Secret

if TYPE_CHECKING:
    import typer

    from sekisho.app.homes import Home
    from sekisho.app.settings import Loaded
    from sekisho.cli.client import Management

API_KEY_VARIABLE: Final = "SEKISHO_API_KEY"
"""Holds the key with which `chat` calls the gateway. It is the client's, and no setting of the server."""


@dataclass(frozen=True)
class Invocation:
    """Handed to every command as the object of its context."""

    screen: Screen
    flags: Mapping[str, str] = field(default_factory=dict)
    """Settings given as flags, by dotted name; here only `home`."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    clock: Clock = field(default_factory=SystemClock)

    def home(self) -> "Home":
        """The home that this command is about, whether or not its settings are sound."""
        from sekisho.app import settings

        try:
            return settings.find_home(self.flags, self.environ)
        except settings.SettingsError as error:
            raise CommandError("SETTINGS_INVALID", str(error)) from error

    def loaded(self, flags: Mapping[str, str] | None = None) -> "Loaded":
        """The settings of the home, with these flags (by dotted names) over them; raises CommandError where they are not sound."""
        from sekisho.app import settings

        try:
            return settings.load(
                {**self.flags, **(flags or {})}, {name: text for name, text in self.environ.items() if name != API_KEY_VARIABLE}
            )
        except settings.SettingsError as error:
            raise CommandError("SETTINGS_INVALID", str(error)) from error

    @contextmanager
    def management(self) -> Iterator["Management"]:
        """The management API, with the server up or down."""
        from sekisho.cli import client

        with client.connect(self.home(), self.loaded, self.screen) as management:
            yield management

    @contextmanager
    def node(self) -> Iterator["Management"]:
        """The management API of a running node; raises CommandError (NOT_RUNNING) where none runs."""
        from sekisho.cli import client

        with client.running(self.home(), self.screen) as management:
            yield management

    @property
    def asks(self) -> bool:
        """Whether somebody sits there who can answer a question."""
        return is_terminal(self.stdin) and is_terminal(sys.stderr)

    def secret(self, what: str, flag: str) -> Secret:
        """Read a secret: the first line of stdin, or hidden at a prompt where stdin is a terminal."""
        if self.asks:
            from getpass import getpass

            text = getpass(f"{what}: ", stream=sys.stderr)
        else:
            text = self.stdin.readline()
        text = text.strip()
        if not text:
            raise usage(f'{flag} found no {what} on standard input; pipe it in, such as: printf %s "$SECRET" | sekisho ... {flag}')
        return Secret(text)

    def confirm(self, question: str, sure: bool, flag: str = "--yes") -> None:
        """Go on only if somebody says yes; without a terminal the flag must say it."""
        if sure:
            return
        if not self.asks:
            raise usage(f"{question} Say so with {flag}")
        import typer

        if not typer.confirm(question, default=False, err=True):
            raise CommandError("CANCELLED", "nothing was changed")


def of(context: "typer.Context") -> Invocation:
    """The invocation that a command runs in."""
    invocation = context.obj
    assert isinstance(invocation, Invocation)
    return invocation
