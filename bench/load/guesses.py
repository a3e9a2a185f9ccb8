"""People who guess passwords: so many logins at once, second after second, each with a wrong password. Or a stand-in that they ask.

Run as `python -m bench.load.guesses PORT AT_ONCE SECONDS KIND`: `two` accounts from one address, one account for `each` guess from one
address, or each of these from an address of its own (`everywhere`). Prints the summary at the end. `python -m bench.load.guesses
stand-in PORT` answers every guess with a refusal at once: what the same load costs the machine when nobody does anything for it.
"""

import contextlib
import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

BETWEEN_S: Final = 1.0
PATIENCE_S: Final = 10.0
REFUSAL: Final = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"


def guess_of(port: int, kind: str, number: int) -> bytes:
    """One login that fails."""
    email = f"person-{number}@example.org" if kind != "two" else ("mika@example.org", "nobody@example.org")[number % 2]
    body = json.dumps({"email": email, "password": f"a wrong guess, number {number}"}).encode()
    head = f"POST /api/auth/login HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}origin: http://127.0.0.1:{port}\r\n\r\n".encode() + body


def connect(port: int, kind: str, number: int) -> socket.socket:
    """A connection of the guesser with this number; on Linux all of 127/8 is this machine."""
    source = f"127.1.{number // 250}.{number % 250 + 1}" if kind == "everywhere" else "127.0.0.1"
    made = socket.create_connection(("127.0.0.1", port), PATIENCE_S, source_address=(source, 0))
    made.setblocking(False)
    return made


def storm(port: int, at_once: int, seconds: float, kind: str) -> Counter[int]:
    """Guess; how many answers of each status there were, 0 for none."""
    epoll, statuses = select.epoll(), Counter[int]()
    guessers = [connect(port, kind, number) for number in range(at_once)]
    by_number = {each.fileno(): each for each in guessers}
    for each in guessers:
        epoll.register(each, select.EPOLLIN)
    begun = time.monotonic()
    for wave in range(int(seconds / BETWEEN_S)):
        time.sleep(max(0.0, begun + wave * BETWEEN_S - time.monotonic()))
        waiting = dict.fromkeys(by_number, b"")
        for place, each in enumerate(guessers):
            with contextlib.suppress(OSError):
                each.send(guess_of(port, kind, place))
        until = time.monotonic() + PATIENCE_S
        while waiting and time.monotonic() < until:
            for number, _ in epoll.poll(0.05, 512):
                data = by_number[number].recv(65536)
                waiting[number] = waiting.get(number, b"") + data
                end = waiting[number].find(b"\r\n\r\n")
                field = waiting[number].lower().find(b"content-length: ", 0, end)
                length = int(waiting[number][field + 16 :].split(b"\r", 1)[0]) if end > 0 and field > 0 else 0
                if not data or (end > 0 and len(waiting[number]) >= end + 4 + length):
                    statuses[int(waiting[number][9:12]) if data else 0] += 1
                    del waiting[number]
        statuses[0] += len(waiting)
    for each in guessers:
        each.close()
    return statuses


def stand_in(port: int) -> None:
    """Refuse until killed."""
    epoll, listener = select.epoll(), socket.create_server(("127.0.0.1", port), backlog=1024)
    epoll.register(listener, select.EPOLLIN)
    there: dict[int, socket.socket] = {}
    while True:
        for number, _ in epoll.poll():
            if number == listener.fileno():
                made = listener.accept()[0]
                there[made.fileno()] = made
                epoll.register(made, select.EPOLLIN)
            elif there[number].recv(65536):
                there[number].send(REFUSAL)
            else:
                epoll.unregister(number)
                there.pop(number).close()


def main(arguments: Sequence[str]) -> None:
    if arguments[0] == "stand-in":
        stand_in(int(arguments[1]))
        return
    cpu = time.process_time()
    statuses = storm(int(arguments[0]), int(arguments[1]), float(arguments[2]), arguments[3])
    cpu = time.process_time() - cpu
    print("BENCH " + json.dumps({"statuses": dict(sorted(statuses.items())), "cpu_s": cpu}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
