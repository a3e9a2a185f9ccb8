"""The other gateways: how each is installed into a folder of its own, started with one process, and asked.

They are installed when they are first wanted, into `.work/peers`, from the package registry that pip or npm is set up for. Delete the
folder to be rid of them. None has a database here: what is measured is the bare relay with a fixed key where the gateway knows keys.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine
from bench.load import wrk
from bench.processes import BenchError

FOLDER: Final = machine.ROOT / ".work" / "peers"
LITELLM_VERSION: Final = "1.106.2"
PORTKEY_VERSION: Final = "1.15.2"
INSTALL_SECONDS: Final = 900
KEY: Final = "sk-bench-0123456789"


@dataclass(frozen=True)
class Started:
    """How a gateway is run and asked."""

    argv: list[str]
    environment: dict[str, str]
    cwd: Path
    request: wrk.Request


@dataclass(frozen=True)
class Gateway:
    """One peer. `install` makes its folder (and does nothing where it is there); `start` says how to run it on a port."""

    name: str
    version: str
    install: Callable[[], Path]
    start: Callable[[Path, Path, int, int], Started]
    """Its folder, a scratch folder, its port, the upstream's port."""


def _run(argv: list[str], cwd: Path) -> None:
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except FileNotFoundError:
        raise BenchError(f"{argv[0]} is missing: install it, or leave this gateway out with --only") from None
    except subprocess.TimeoutExpired:
        raise BenchError(f"`{' '.join(argv[:3])}` did not end within {INSTALL_SECONDS} s") from None
    if done.returncode:
        words = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise BenchError(f"`{' '.join(argv[:3])}` failed: {words[-1][:300] if words else f'exit {done.returncode}'}")


def _once(name: str, version: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made whole or not at all: the mark is written last."""
    folder = FOLDER / f"{name}-{version}"
    mark = folder / ".installed"
    if not mark.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        mark.write_text(version)
    return folder


def install_litellm() -> Path:
    def make(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)], folder)
        _run([str(folder / "bin" / "pip"), "install", "--quiet", "--only-binary", ":all:", f"litellm[proxy]=={LITELLM_VERSION}"], folder)

    return _once("litellm", LITELLM_VERSION, make)


def start_litellm(folder: Path, scratch: Path, port: int, upstream_port: int) -> Started:
    configuration = scratch / "litellm.json"
    configuration.write_text(
        json.dumps(
            {
                "model_list": [
                    {
                        "model_name": "gpt-4o-mini",
                        "litellm_params": {
                            "model": "openai/gpt-4o-mini",
                            "api_base": f"http://127.0.0.1:{upstream_port}/v1",
                            "api_key": "sk-upstream-bench",
                        },
                    }
                ],
                "general_settings": {"master_key": KEY},
            }
        )
    )
    # JSON is YAML; its price list is taken from the package, so that nothing is fetched at start.
    environment = {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "DO_NOT_TRACK": "1",
    }
    environment.pop("DATABASE_URL", None)
    argv = [
        str(folder / "bin" / "litellm"),
        "--config",
        str(configuration),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--num_workers",
        "1",
    ]
    argv += ["--telemetry", "False"]
    return Started(argv, environment, scratch, wrk.Request(f"http://127.0.0.1:{port}/v1/chat/completions", key=KEY))


def install_portkey() -> Path:
    def make(folder: Path) -> None:
        package = f"@portkey-ai/gateway@{PORTKEY_VERSION}"
        _run(["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", package], folder)

    return _once("portkey", PORTKEY_VERSION, make)


def start_portkey(folder: Path, scratch: Path, port: int, upstream_port: int) -> Started:
    package = folder / "node_modules" / "@portkey-ai" / "gateway"
    headers = (("x-portkey-provider", "openai"), ("x-portkey-custom-host", f"http://127.0.0.1:{upstream_port}/v1"))
    # It refuses loopback as an upstream unless the host is named here.
    environment = {**os.environ, "NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    argv = ["node", str(package / "build" / "start-server.js"), f"--port={port}", "--headless"]
    return Started(argv, environment, scratch, wrk.Request(f"http://127.0.0.1:{port}/v1/chat/completions", key=KEY, headers=headers))


GATEWAYS: Final = (
    Gateway("LiteLLM", LITELLM_VERSION, install_litellm, start_litellm),
    Gateway("Portkey", PORTKEY_VERSION, install_portkey, start_portkey),
)
"""Everything that is measured beside us, nginx apart."""
