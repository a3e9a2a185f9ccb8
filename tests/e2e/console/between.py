"""What stands between a browser and the console's port: a bad line that can be cut, or a slow management API.

It passes bytes on as they are. A browser never has two requests under way on one connection, so a piece that begins with a method and a
path is the head of a request, and can be held back as one.
"""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

_REQUEST: Final = re.compile(rb"[A-Z]+ (/\S*) HTTP/1\.1\r\n")
_PIECE: Final = 65536


class Between:
    """Listens on a loopback port of its own, in front of another; ends all connections when the block ends."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._down = False
        self._ended = threading.Event()
        self.held_back = 0.0
        """Seconds for which each request to the management API waits before it is passed on."""
        self.silent = False
        """Whether the live feed is never answered: then nothing on the page moves by itself."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Inside, every connection is gone and none comes through."""
        self._down = True
        self._end_all()
        try:
            yield
        finally:
            self._down = False

    def _end_all(self) -> None:
        with self._lock:
            ended, self._open = self._open, set()
        for each in ended:
            # A thread that waits in `recv` hears a shutdown, not a close.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_all()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._down:
                    raise ConnectionError
                far = socket.create_connection(("127.0.0.1", self._behind), 10)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            threading.Thread(target=self._pass_on, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(far, near, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        try:
            while piece := source.recv(_PIECE):
                if asks and (found := _REQUEST.match(piece)):
                    self._hold(found[1])
                sink.sendall(piece)
        except OSError:
            pass
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        with self._lock:
            self._open -= {source, sink}

    def _hold(self, path: bytes) -> None:
        if self.silent and path.startswith(b"/api/live"):
            self._ended.wait()
        elif path.startswith(b"/api/") and self.held_back > 0:
            time.sleep(self.held_back)
