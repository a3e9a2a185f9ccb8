"""The process of one model: llama.cpp's own server, until standard input ends.

The order comes as one JSON line on standard input, because arguments and environment can be read by others. The answer is one JSON
line on standard output: `{"address": ...}` or `{"failed": ...}`. The engine's own lines go to standard error.

It never outlives the node. Standard input ends with the node, and a thread of this process then ends it at once, whatever runs. While
a model loads, no thread of Python gets its turn: there, Linux ends the process with its parent, and elsewhere an alarm that the
kernel keeps bounds what is left.
"""

import json
import math
import os
import resource
import signal
import sys
import threading
from typing import Any, Final

HTTP_THREADS: Final = 512
"""Each open connection holds one of the engine's threads, idle ones for five seconds; a worker that kept more of them than there are
threads would make its next call wait so long. They cost memory only once they are used: 20 MB when all are."""
EXIT_SECONDS: Final = 5
"""For an end in order."""
PARENT_DEATH_SIGNAL: Final = 1
"""`PR_SET_PDEATHSIG` of Linux."""


def main() -> None:
    """Serve as ordered; returns never, or with exit code 1 where the model cannot be loaded."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the engine prints is no answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold what people wrote
    order = json.loads(sys.stdin.buffer.readline())
    _die_with(order["parent"])
    threading.Thread(target=_end_with_input, name="input", daemon=True).start()
    signal.alarm(math.ceil(order["start_timeout_s"]))
    try:
        server = _serve(order)
        answer = {"address": server.listening_address}
    except Exception as error:
        answer = {"failed": f"{type(error).__name__}: {error}"}
    signal.alarm(EXIT_SECONDS if "failed" in answer else 0)
    print(json.dumps(answer), file=answers, flush=True)
    if "failed" in answer:
        sys.exit(1)  # in order: the engine's last lines, which say why, are still on their way out
    threading.Event().wait()


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before we could ask
        os._exit(1)


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)  # in order would mean to wait for calls that run


def _serve(order: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = order["path"]
    params.model_alias = {order["model"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_threads_http = HTTP_THREADS
    params.api_keys = [order["key"]]
    params.n_ctx = order["context_tokens"]
    params.n_parallel = order["slots"]
    params.kv_unified = True  # one call may take the whole room while the others are idle
    params.embedding = True
    if not order["embeds_only"]:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    if order["threads"]:
        params.cpuparams.n_threads = order["threads"]
    params.use_jinja = True
    params.warmup = False
    params.offline = True
    params.verbosity = 2  # warnings and errors
    params.cors_origins = ""
    params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = params.ui = False
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
