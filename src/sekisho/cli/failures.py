"""A failure is one line that says what to do, a code that a script can test, and whose turn it is (the exit code)."""

from typing import Final

EXIT_USER: Final = 1
"""The person who typed the command can mend it."""

EXIT_INTERNAL: Final = 2
"""Something of ours or of the machine broke."""

EXIT_INTERRUPTED: Final = 130
"""Ended by Ctrl-C, as shells count it (128 + SIGINT)."""


class CommandError(Exception):
    """Ends a command: `code` is in capitals, `message` one line in plain English."""

    def __init__(self, code: str, message: str, exit_code: int = EXIT_USER) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.exit_code = exit_code


def usage(message: str) -> CommandError:
    """The command was typed wrongly."""
    return CommandError("USAGE", message)


def not_running(home: object) -> CommandError:
    """The command needs the server, and none runs on this home."""
    return CommandError("NOT_RUNNING", f"no server runs on {home}; start one with: sekisho serve")
