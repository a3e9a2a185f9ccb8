"""The hot path as machine code, where a C compiler is at hand: the same sources, compiled by mypyc, for the workers only.

`python -m sekisho.app.compiled` makes a copy of what a worker imports, compiles the modules below in it, and names the copy after the
sources' digest. The supervisor starts workers from that copy if, and only if, the digest is that of the sources that are installed now:
an edited or upgraded source is never served by an old binary, it runs as plain Python until it is compiled again. Everything works
without it, at about half the speed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

import sekisho

PACKAGES: Final = ("kit", "core", "telemetry", "dataplane")
"""What a worker imports."""
MODULES: Final = (
    "kit/drive.py",
    "kit/turn.py",
    "core/wire/http1/events.py",
    "core/model/chat.py",
    "core/wire/http1/readers.py",
    "core/wire/http1/writers.py",
    "core/wire/sse.py",
    "core/wire/journal.py",
    "core/dialects/base.py",
    "core/dialects/openai_chat.py",
    "core/dialects/registry.py",
    "core/policy/access.py",
    "core/policy/limits.py",
    "core/policy/pricing.py",
    "core/policy/retry.py",
    "dataplane/counters.py",
    "dataplane/journal.py",
    "dataplane/relay.py",
    "dataplane/upstream/targets.py",
    "dataplane/upstream/tls.py",
    "dataplane/upstream/client.py",
    "dataplane/upstream/pool.py",
    "dataplane/stages/__init__.py",
    "dataplane/stages/screen.py",
    "dataplane/stages/authenticate.py",
    "dataplane/stages/receive.py",
    "dataplane/stages/route.py",
    "dataplane/stages/admit.py",
    "dataplane/stages/attempt.py",
    "dataplane/stages/reply.py",
    "dataplane/stages/settle.py",
    "dataplane/exchange.py",
    "dataplane/connection.py",
    "dataplane/secured.py",
)
"""What runs for every request. Modules of msgspec structs stay as they are: a struct is machine code already."""
OFF: Final = "SEKISHO_HOT_PATH"
"""Set to `python`, this variable keeps the workers on plain Python."""


class CompileError(Exception):
    """The hot path was not compiled; the text says why."""


def _sources() -> Path:
    return Path(sekisho.__file__).parent


def _digest(sources: Path) -> str:
    """Of everything that goes into a compiled copy, the interpreter's kind included."""
    digest = hashlib.sha256(f"{sysconfig.get_config_var('SOABI')} {sys.version_info[:3]} {MODULES}".encode())
    for package in PACKAGES:
        for path in sorted((sources / package).rglob("*.py")):
            digest.update(str(path.relative_to(sources)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _place(digest: str) -> Path:
    return Path(sys.prefix) / "lib" / "sekisho-hot-path" / digest


def is_off() -> bool:
    """Whether somebody wants plain Python."""
    return os.environ.get(OFF) == "python"


def compiler() -> str | None:
    """The C compiler, as far as it can be started; None where there is none."""
    # Distutils knows the compiler's name from the interpreter's own build; CC overrides it.
    return shutil.which(_compiler_name())


def _compiler_name() -> str:
    return str(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]


def ready() -> Path | None:
    """The directory to import a worker from, or None where plain Python it is."""
    if is_off():
        return None
    place = _place(_digest(_sources()))
    return place if (place / "complete").exists() else None


def build() -> Path:
    """Make the compiled copy of the sources as they are now; raises CompileError. Takes about half a minute of one core."""
    sources = _sources()
    digest = _digest(sources)
    place = _place(digest)
    if (place / "complete").exists():
        return place
    if compiler() is None:
        raise CompileError(f"no C compiler ({_compiler_name()}) was found")
    shutil.rmtree(place.parent, ignore_errors=True)
    copy = place / "sekisho"
    copy.mkdir(parents=True)
    for name in ("__init__.py", "py.typed"):
        shutil.copy(sources / name, copy / name)
    for package in PACKAGES:
        shutil.copytree(sources / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "mypyc", "--ignore-missing-imports", *(f"sekisho/{module}" for module in MODULES)]
    environment = {**os.environ, "MYPYPATH": ".", "MYPYC_OPT_LEVEL": "3"}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(place, ignore_errors=True)
        raise CompileError((done.stdout + done.stderr).strip()[-2000:])
    shutil.rmtree(place / "build", ignore_errors=True)
    (place / "complete").touch()
    return place


def main() -> None:
    """Compile, and say so. Where that cannot be, say why and end well: nothing depends on it."""
    try:
        build()
    except CompileError as error:
        sys.stderr.write(f"the hot path stays plain Python, which serves the same at about half the speed: {error}\n")
    else:
        sys.stdout.write("the hot path is compiled\n")


if __name__ == "__main__":
    main()
