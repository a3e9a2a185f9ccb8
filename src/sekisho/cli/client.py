"""One code path for console, CLI and scripts: the management API, over the node's socket when a node runs, else in this process.

Without a node the same application is built here, under the lock of the home, and leaves with the command. The loop belongs to the
conversation: commands are plain functions that ask and wait.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sekisho.cli.failures import EXIT_INTERNAL, EXIT_USER, CommandError, not_running
from sekisho.kit import clock
from sekisho.kit.tasks import Tasks

if TYPE_CHECKING:
    import httpx

    from sekisho.app.homes import Home
    from sekisho.app.settings import Loaded
    from sekisho.cli.screens import Screen

T = TypeVar("T")

REQUEST_SECONDS: Final = 60.0
"""Longest wait for one answer: a probe of a slow provider is the longest ordinary work."""

LONG_SECONDS: Final = 3600.0
"""The same for work that grows with the data, such as a backup."""

PATIENCE_SECONDS: Final = 20.0
"""How long a node may take to come up (or another command to let go of the home) before we say so."""

POLL_SECONDS: Final = 0.1

WATCH_SECONDS: Final = 0.2
"""Between two looks at how far long work is."""

ATTEMPTS: Final = 20
"""How often a command that works without a node waits its turn behind others that do the same."""

PAGE: Final = 1000
"""Entries asked for at once: the most that the API gives."""

ORIGIN: Final = "http://sekisho"
"""The authority in requests over a Unix socket; it names nothing."""

INTERNAL_STATUSES: Final = range(500, 600)

Query = Mapping[str, str | int | None]


def _failure(status: int, document: Any) -> CommandError:
    """What an answer that is no success says, in our words."""
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return CommandError("INTERNAL", f"the management API answered {status} without a reason", EXIT_INTERNAL)
    code = str(error.get("code") or error.get("type") or f"HTTP_{status}").upper().replace("-", "_")
    message = str(error.get("message") or f"the management API answered {status}")
    if status not in INTERNAL_STATUSES:
        return CommandError(code, message, EXIT_USER)
    request = error.get("request_id")
    return CommandError(code, f"{message} (request {request})" if request else message, EXIT_INTERNAL)


class Management:
    """A conversation with the management API. Every method raises CommandError where the answer is no success."""

    def __init__(self, runner: asyncio.Runner, client: "httpx.AsyncClient", *, in_process: bool) -> None:
        self._runner = runner
        self._client = client
        self.in_process = in_process
        """Whether no node runs, and the application lives in this process."""

    def get(self, path: str, query: Query | None = None, *, seconds: float = REQUEST_SECONDS) -> dict[str, Any]:
        """Read something; parameters that are None stay out. `seconds` is the longest wait for the answer."""
        return self._ask("GET", path, query=query, seconds=seconds)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, seconds: float = REQUEST_SECONDS) -> dict[str, Any]:
        """Make or do something; `seconds` is the longest wait for the answer."""
        return self._ask("POST", path, body=body or {}, seconds=seconds)

    def post_watched(
        self, path: str, body: Mapping[str, Any], progress: str, tell: Callable[[int, int], None], *, seconds: float
    ) -> dict[str, Any]:
        """Make something that takes long, and tell how far it is, which is asked at the path `progress` (`rows` and `of`)."""
        return self._ask("POST", path, body=body, seconds=seconds, watch=lambda: self._watch(progress, tell))

    async def _watch(self, path: str, tell: Callable[[int, int], None]) -> None:
        import httpx

        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with suppress(httpx.HTTPError, ValueError):
                told = (await self._client.get(path)).json()
                if isinstance(told, dict) and isinstance(told.get("rows"), int) and isinstance(told.get("of"), int):
                    tell(told["rows"], told["of"])

    def download(self, path: str, query: Query, write: Callable[[str], object], tell: Callable[[int, int], None], *, seconds: float) -> int:
        """Take the lines of an export as they come, and tell how many there are, and of how many; returns the number of entries."""
        return self._awaited(self._download(path, query, write, tell, seconds), seconds)

    async def _download(
        self, path: str, query: Query, write: Callable[[str], object], tell: Callable[[int, int], None], seconds: float
    ) -> int:
        parameters = {name: str(value) for name, value in query.items() if value is not None}
        async with self._client.stream("GET", path, params=parameters, timeout=seconds) as response:
            if not response.is_success:
                await response.aread()
                _document(response)
            total = int(response.headers.get("x-total-count", "0"))
            # The heading of a table is no entry.
            done = -1 if response.headers.get("content-type", "").startswith("text/csv") else 0
            async for text in response.aiter_text():
                write(text)
                done += text.count("\n")
                tell(max(done, 0), total)
        return max(done, 0)

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Set something as a whole."""
        return self._ask("PUT", path, body=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change parts of something."""
        return self._ask("PATCH", path, body=body)

    def delete(self, path: str) -> dict[str, Any]:
        """Remove something; an answer without a body is an empty one."""
        return self._ask("DELETE", path)

    def pages(self, path: str, plural: str, most: int | None, query: Query | None = None, cursor: str | None = None) -> dict[str, Any]:
        """A list of up to `most` entries (None: all), asked page by page, as `{plural: [...], "next_cursor": ...}`."""
        entries: list[Any] = []
        while True:
            size = PAGE if most is None else min(PAGE, most - len(entries))
            page = self.get(path, {**(query or {}), "limit": size, "cursor": cursor})
            entries += page[plural]
            cursor = page.get("next_cursor")
            if cursor is None or (most is not None and len(entries) >= most):
                return {**page, plural: entries, "next_cursor": cursor}

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        seconds: float = REQUEST_SECONDS,
        watch: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> dict[str, Any]:
        parameters = {name: str(value) for name, value in (query or {}).items() if value is not None}
        request = self._client.request(method, path, params=parameters, json=body, timeout=seconds)
        return _document(self._awaited(request if watch is None else _beside(request, watch()), seconds))

    def _awaited(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """What comes of a request; raises CommandError where nothing does."""
        import httpx

        try:
            return self._runner.run(work)
        except httpx.TimeoutException:
            raise CommandError("TIMEOUT", f"the node gave no answer within {seconds:.0f} s; see its log", EXIT_INTERNAL) from None
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise CommandError("NODE_UNREACHABLE", f"the node went away before it answered ({reason}); try again", EXIT_USER) from error


async def _beside(work: Coroutine[Any, Any, T], other: Coroutine[Any, Any, None]) -> T:
    """Do some work, and something else as long as it takes."""
    tasks = Tasks(on_crash=lambda name, error: None)
    tasks.start(other, "beside")
    try:
        return await work
    finally:
        await tasks.stop()


def _document(response: "httpx.Response") -> dict[str, Any]:
    """The JSON object of an answer; raises CommandError where it is an error or no object."""
    try:
        document = response.json() if response.content else {}
    except ValueError:
        document = None
    if not response.is_success:
        raise _failure(response.status_code, document)
    if not isinstance(document, dict):
        raise CommandError("INTERNAL", "the management API answered with something that is no JSON object", EXIT_INTERNAL)
    return document


def answers(path: Path) -> bool:
    """Whether somebody accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def await_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again until it is true, for so many seconds; whether it became true."""
    deadline = clock.monotonic() + seconds
    while not condition():
        if clock.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@contextmanager
def running(home: "Home", screen: "Screen") -> Iterator[Management]:
    """A conversation with the node of a home; raises CommandError (NOT_RUNNING) where none runs."""
    if not _find_node(home, screen):
        raise not_running(home.path)
    with _over_socket(home.node_socket) as management:
        yield management


@contextmanager
def connect(home: "Home", load: Callable[[], "Loaded"], screen: "Screen") -> Iterator[Management]:
    """A conversation with the node of a home, or with the same application in this process where none runs."""
    with ExitStack() as stack:
        for attempt in range(1, ATTEMPTS + 1):
            found = _over_socket(home.node_socket) if _find_node(home, screen) else _in_process(load())
            try:
                management = stack.enter_context(found)
            except CommandError as failure:
                # Another command took the lock between the look and the taking.
                if failure.code != "HOME_LOCKED" or attempt == ATTEMPTS:
                    raise
            else:
                yield management
                return


def _find_node(home: "Home", screen: "Screen") -> bool:
    """Whether a node answers; waits for one that is coming up, and for another command that works on the home by itself."""

    def settled() -> bool:
        return answers(home.node_socket) or home.holder() is None

    if not settled():
        with screen.working("waiting for the node"):
            if not await_true(settled, PATIENCE_SECONDS):
                raise CommandError(
                    "NODE_UNREACHABLE",
                    f"process {home.holder()} holds {home.path}, but no node answers; see its log, or end it with: sekisho stop",
                )
    return answers(home.node_socket)


@contextmanager
def _over_socket(path: Path) -> Iterator[Management]:
    import httpx

    transport = httpx.AsyncHTTPTransport(uds=str(path))
    with asyncio.Runner() as runner:
        client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, trust_env=False)
        try:
            yield Management(runner, client, in_process=False)
        finally:
            runner.run(client.aclose())


@contextmanager
def _in_process(loaded: "Loaded") -> Iterator[Management]:
    import httpx

    with asyncio.Runner() as runner:
        guest = _Guest(loaded)
        application = runner.run(guest.enter())
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=application, raise_app_exceptions=False), base_url=ORIGIN, trust_env=False
        )
        try:
            yield Management(runner, client, in_process=True)
        finally:
            runner.run(client.aclose())
            runner.run(guest.leave())


class _Guest:
    """Holds the application open between two turns of the loop: it opens and closes within one task, as its parts may demand."""

    def __init__(self, loaded: "Loaded") -> None:
        self._loaded = loaded
        self._tasks = Tasks(on_crash=lambda name, error: None)
        self._leaving = asyncio.Event()

    async def enter(self) -> Any:
        """The application; raises CommandError where it cannot start."""
        from sekisho.app import build, homes
        from sekisho.storage.errors import StorageError
        from sekisho.telemetry import logs

        logs.setup(level="warning")
        opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._life = self._tasks.start(self._live(opened), "local application")
        await asyncio.wait({opened, self._life}, return_when=asyncio.FIRST_COMPLETED)
        if opened.done():
            return opened.result()
        try:
            await self._life
        except homes.LockedError as error:
            raise CommandError("HOME_LOCKED", str(error)) from error
        except homes.HomeError as error:
            raise CommandError("HOME_UNUSABLE", str(error)) from error
        except StorageError as error:
            raise CommandError("DATABASE_UNUSABLE", str(error)) from error
        except build.StartError as error:
            raise CommandError("START_FAILED", str(error)) from error
        raise CommandError("INTERNAL", "the application ended before it began", EXIT_INTERNAL)

    async def _live(self, opened: asyncio.Future[Any]) -> None:
        from sekisho.app import build

        async with build.local_app(self._loaded) as application:
            opened.set_result(application)
            await self._leaving.wait()

    async def leave(self) -> None:
        """Close the application; what falls then is raised here."""
        self._leaving.set()
        await self._life
