"""The entry: loads the one module that the command needs, and turns what happens into an exit code.

Global options may stand before or after the command, so they are taken out before Typer sees the words; what follows `--` is left alone.
"""

import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sekisho.cli import failures, screens
from sekisho.cli.failures import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_USER, CommandError
from sekisho.cli.invocations import Invocation

if TYPE_CHECKING:
    import typer

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "serve",
    "status": "status",
    "stop": "status",
    "reload": "status",
    "init": "init",
    "version": "version",
    "config": "config",
    "export": "configurations",
    "apply": "configurations",
    "providers": "providers",
    "models": "models",
    "apis": "apis",
    "api-keys": "api_keys",
    "users": "users",
    "projects": "projects",
    "calls": "calls",
    "usage": "usage",
    "chat": "chat",
    "proxy": "proxy",
    "security": "security",
    "backup": "backup",
    "audit": "audit",
    "check": "check",
    "doctor": "check",
}
"""What this build contains: each command, in the order of the help, and the module whose `add` adds it."""

VALUED: Final = ("--format", "--home")
"""Global options that take a value."""

GLOBALS: Final = "Everywhere, before or after the command: --format text|json (text on a terminal, JSON when piped), --home DIR, --debug."

PLAINER: Final = (
    (r"Input should be a valid integer.*", "expected a whole number"),
    (r"Input should be a valid number.*", "expected a number"),
    (r"Value error, ", ""),
    (r"Input should be ", "expected a value "),
)
"""What the library under Typer says of a bad value, and what we say instead."""

COMPLETION: Final = "_SEKISHO_COMPLETE"
"""Set by the shell's completion script; the words are then elsewhere."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0, 1: the user can mend it, 2: internal, 130: interrupted)."""
    words, options, flaw = split(sys.argv[1:] if argv is None else argv)
    screen = screens.Screen(_format(options.get("--format")))
    try:
        if flaw is not None:
            raise flaw
        home = options.get("--home")
        invocation = Invocation(screen, {} if home is None else {"home": home})
        return _run(words or ["--help"], invocation)
    except CommandError as failure:
        screen.failure(failure)
        return failure.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _swallow_stdout()
        return EXIT_USER
    except Exception as error:
        if "--debug" in options:
            traceback.print_exc()
        screen.failure(_unexpected(error))
        return EXIT_USER if isinstance(error, PermissionError) else EXIT_INTERNAL


def split(argv: Sequence[str]) -> tuple[list[str], dict[str, str], CommandError | None]:
    """Take the global options out: the words that are left, the options, and what is wrong with them (None: nothing).

    What is wrong is a value, since it has to be told in the format that another option may choose.
    """
    words: list[str] = []
    options: dict[str, str] = {}
    flaw: CommandError | None = None
    rest = iter(argv)
    for word in rest:
        name, equals, value = word.partition("=")
        if word == "--":
            words += [word, *rest]
        elif word == "--debug":
            options[word] = ""
        elif name not in VALUED:
            words.append(word)
        elif (given := value if equals else next(rest, "")) == "":
            flaw = failures.usage(f"{name} needs a value, such as {'json' if name == '--format' else '/var/lib/sekisho'}")
        elif name == "--format" and given not in screens.FORMATS:
            flaw = failures.usage(f"--format is text or json, not {given!r}")
        else:
            options[name] = given
    return words, options, flaw


def _format(given: str | None) -> screens.Format | None:
    return "text" if given == "text" else "json" if given == "json" else None


def application(names: Sequence[str] = tuple(COMMANDS)) -> "typer.Typer":
    """The commands of some names as Typer knows them; all of them for the help and the documentation's test."""
    import typer
    from typer.core import TyperGroup

    class Ordered(TyperGroup):
        """Lists the commands in the order of the table above."""

        def list_commands(self, ctx: Any) -> list[str]:
            return [name for name in COMMANDS if name in self.commands]

    app = typer.Typer(
        name="sekisho",
        cls=Ordered,
        help="Sekisho: a checkpoint for LLM traffic. Authenticated, limited, metered, as fast as a bare reverse proxy.",
        epilog=GLOBALS,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root() -> None:
        pass

    for module in dict.fromkeys(COMMANDS[name] for name in names):
        add: Callable[[typer.Typer], None] = importlib.import_module(f"sekisho.cli.{module}").add
        add(app)
    for group in (app, *(each.typer_instance for each in app.registered_groups)):
        for command in group.registered_commands if group else ():
            command.epilog = GLOBALS
    return app


def _run(words: list[str], invocation: Invocation) -> int:
    if words == ["--version"]:
        words = ["version"]
    alone = words[0] in COMMANDS and COMPLETION not in os.environ
    app = application([words[0]] if alone else tuple(COMMANDS))
    import typer
    from typer.main import get_command

    command: Any = get_command(app)
    try:
        outcome = command.main(words, prog_name="sekisho", standalone_mode=False, obj=invocation)
    except typer.TyperException as error:
        raise failures.usage(_usage_message(error)) from error
    except typer.Abort:
        raise KeyboardInterrupt from None
    return outcome if isinstance(outcome, int) else 0


def _usage_message(error: Any) -> str:
    """One line of what Typer found, and where the help is."""
    text = " ".join(error.format_message().split()).rstrip(".")
    for theirs, ours in PLAINER:
        text = re.sub(theirs, ours, text)
    context = getattr(error, "ctx", None)
    return f"{text}; see: {context.command_path if context is not None else 'sekisho'} --help"


def _unexpected(error: Exception) -> CommandError:
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return CommandError("IO_ERROR", f"{error.strerror or error}{where}", EXIT_INTERNAL)
    return CommandError("INTERNAL", f"{type(error).__name__}: {error}; run the command again with --debug to see where", EXIT_INTERNAL)


def _swallow_stdout() -> None:
    """The reader of stdout is gone; what is still buffered must not raise again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
