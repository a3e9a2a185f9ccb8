"""A supervisor with children that are as small as can be, so that its own behaviour is seen and nothing else.

`python -m tests.unit.app.children supervise HOME [name=value ...]` runs a real supervisor; node and worker are this file too. The worker
answers every connection on the gateway's socket with its pid, and knocks at the link; the node tells the supervisor who knocked.
`HOME/script` (a JSON object, read anew by each child) makes them misbehave.
"""

import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path

from sekisho.app import starts, supervisor


def script(home: Path) -> dict[str, object]:
    path = home / "models" / "script"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def note(home: Path, kind: str) -> None:
    with (home / "models" / "pids").open("a") as file:
        file.write(f"{kind} {os.getpid()}\n")


def node() -> int:
    orders = json.loads(sys.stdin.buffer.readline())
    home = Path(orders["home"])
    note(home, "node")
    wish = script(home)
    if message := wish.get("node_fails"):
        say({"event": "failed", "message": message})
        return 1
    path = home / "run" / "link.sock"
    path.unlink(missing_ok=True)
    link = socket.socket(socket.AF_UNIX)
    link.bind(str(path))
    link.listen()
    print("a stray line that is no saying", flush=True)
    say({"event": "ready", "first_key": "sk-sek-example-key" if orders["first"] else None, "engines": []})
    (home / "models" / "orders").write_text(json.dumps(orders))
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(link, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is link:
                    knock, _ = link.accept()
                    say({"event": "worker", "pid": int(knock.recv(32))})
                    knock.close()
                elif not (line := os.read(0, 65536)):
                    note(home, "node-ended")
                    return 0
                else:
                    (home / "models" / "workforce").write_bytes(line.splitlines()[-1])


def worker() -> int:
    orders = json.loads(sys.stdin.buffer.readline())
    home = Path(orders["journal_directory"]).parent
    note(home, "worker")
    wish = script(home)
    if wish.get("worker_falls"):
        return 3
    if wish.get("worker_hangs"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    doors = {each["door"]: socket.socket(fileno=each["descriptor"]) for each in orders["listeners"]}
    if not wish.get("worker_silent"):
        knock(orders["link_path"])
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(doors["gateway"], selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == 0:
                    return 0
                try:
                    connection, _ = doors["gateway"].accept()
                except BlockingIOError:
                    continue
                connection.sendall(json.dumps({"pid": os.getpid(), "drain_s": orders["bounds"]["drain_s"]}).encode())
                connection.close()


def knock(path: str) -> None:
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
            except OSError:
                continue
            client.send(str(os.getpid()).encode())
            return


def say(saying: dict[str, object]) -> None:
    print(json.dumps(saying), flush=True)


def supervise(home: str, *flags: str) -> int:
    module = (sys.executable, "-m", "tests.unit.app.children")
    commands = supervisor.Commands(node=(*module, "node"), worker=(*module, "worker"))
    return starts.run({"home": home, **dict(each.split("=", 1) for each in flags)}, commands=commands)


if __name__ == "__main__":
    sys.exit({"node": node, "worker": worker, "supervise": supervise}[sys.argv[1]](*sys.argv[2:]))
