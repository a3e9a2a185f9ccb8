"""llama.cpp's own server over one GGUF file, as a child process: the real engine of the tests.

Run as a program it is that child: settings come as JSON on stdin, the address goes to stdout, and it ends when stdin does.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit


class Llama:
    """A running server; made by `Llama.start` or `with Llama.start(...)`."""

    def __init__(self, process: subprocess.Popen[str], origin: str, alias: str, api_key: str | None, log: Path) -> None:
        self.process = process
        self.origin = origin
        """Such as `http://127.0.0.1:40123`."""
        self.base_url = origin + "/v1"
        self.port = urlsplit(origin).port or 0
        self.alias = alias
        """The model name that the server gives in its answers, whatever name was asked for."""
        self.api_key = api_key
        self.log_path = log

    @classmethod
    def start(
        cls,
        model: Path,
        *,
        alias: str = "tiny",
        api_key: str | None = None,
        embeddings: bool = True,
        context: int = 32768,
        slots: int = 4,
        http_threads: int = -1,
    ) -> Self:
        """Start a server on a free loopback port and wait until it listens.

        `context` is shared by all slots. `http_threads` are as many connections as it serves at once, idle ones counted; -1 is the
        engine's own choice, 8 for 4 slots on a small machine.
        """
        settings = {
            "model": str(model),
            "alias": alias,
            "api_key": api_key,
            "embeddings": embeddings,
            "context": context,
            "slots": slots,
            "http_threads": http_threads,
        }
        with tempfile.NamedTemporaryFile(prefix="llama-", suffix=".log", delete=False) as log:
            process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        path = Path(log.name)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        origin = process.stdout.readline().strip()
        if not origin:
            process.wait()
            raise RuntimeError(f"llama.cpp's server did not start:\n{path.read_text(errors='replace')[-4000:]}")
        return cls(process, origin, alias, api_key, path)

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.stop()

    def stop(self) -> None:
        """End it and wait; may be called twice."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log_path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _serve(settings: dict[str, Any]) -> None:
    import os

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.model_alias = {settings["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = settings["context"]
    params.n_parallel = settings["slots"]
    params.n_threads_http = settings["http_threads"]
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_gpu_layers = 0
    params.warmup = False
    params.offline = True
    params.use_jinja = True
    params.ui = False
    if settings["api_key"]:
        params.api_keys = [settings["api_key"]]
    if settings["embeddings"]:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # the destructor would wait for requests that still run


if __name__ == "__main__":
    _serve(json.loads(sys.stdin.readline()))
