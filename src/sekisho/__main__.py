"""`sekisho`: the one command. Serving takes a light path, because each import before the first answer is waited for."""

import sys
from collections.abc import Sequence
from typing import Final

_SERVE_FLAGS: Final = {
    "--home": "home",
    "--host": "gateway.host",
    "--port": "gateway.port",
    "--https-port": "gateway.https_port",
    "--console-host": "console.host",
    "--console-port": "console.port",
    "--tls": "tls.mode",
    "--tls-certificate": "tls.certificate",
    "--tls-key": "tls.key",
    "--workers": "workers.count",
    "--log-level": "logs.level",
}


def serve_flags(arguments: Sequence[str]) -> dict[str, str] | None:
    """The flags of a plain `serve` by the names of their settings; None where the full command line has to look at them."""
    flags: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        if flag == "--insecure" and not equals:
            flags["console.insecure"] = "true"
            continue
        if flag not in _SERVE_FLAGS or (not equals and not rest):
            return None
        flags[_SERVE_FLAGS[flag]] = value if equals else rest.pop(0)
    return flags


def main() -> int:
    """Run the command line; the exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"] and (flags := serve_flags(arguments[1:])) is not None:
        from sekisho.app import starts

        return starts.run(flags)
    from sekisho.cli import main as command_line

    return command_line.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
