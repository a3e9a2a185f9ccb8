"""A client that knows exactly what it received: raw bytes over asyncio, framing followed to the letter, nothing repeated.

An answer is `whole` only when its own framing says so; a client that leaves does so at a byte of the test's choosing.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

PATIENCE: float = 15.0
"""Seconds after which an answer that does not end is a failure of the test."""


@dataclass
class Answer:
    """One response as far as it came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    """Names of headers that came more than once."""
    interim: list[int] = field(default_factory=list)
    body: bytes = b""
    raw: bytes = b""
    whole: bool = False
    closed: bool = False
    """Whether the peer closed the connection, with or without a whole response."""
    reset: bool = False
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")

    @property
    def seconds(self) -> float:
        return self.ended_at - self.started_at

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[str]:
        """The data of the whole frames of a stream, in order."""
        *whole, _ = self.body.replace(b"\r\n", b"\n").decode("utf-8", "replace").split("\n\n")
        datas = []
        for frame in whole:
            lines = [line[5:].removeprefix(" ") for line in frame.split("\n") if line.startswith("data:")]
            if lines:
                datas.append("\n".join(lines))
        return datas

    def spoken(self) -> str:
        """The text of a streamed chat answer."""
        documents = [json.loads(event) for event in self.events() if event != "[DONE]"]
        return "".join(
            choice["delta"].get("content") or "" for document in documents for choice in document.get("choices", ()) if "delta" in choice
        )

    def error(self) -> dict[str, Any] | None:
        """The error object of a JSON answer, or of the last event of a stream; None where there is none."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            events = [event for event in self.events() if event != "[DONE]"]
            documents = [json.loads(events[-1])] if events and events[-1].startswith("{") else []
        else:
            documents = [json.loads(self.body)] if self.body.startswith(b"{") else []
        for document in documents:
            if isinstance(document, dict) and isinstance(document.get("error"), dict):
                return dict(document["error"])
        return None


class Call:
    """One connection with one request on it, to be read or left."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.answer = Answer(started_at=time.monotonic())
        self._chunked = False
        self._length: int | None = None

    @classmethod
    async def open(cls, port: int, data: bytes = b"") -> "Call":
        """Connect to the loopback port and send bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        call = cls(reader, writer)
        await call.send(data)
        return call

    @property
    def reusable(self) -> bool:
        """Whether a further request may go over this connection."""
        answer = self.answer
        return answer.whole and not answer.closed and answer.headers.get("connection", "").lower() != "close"

    async def again(self, data: bytes) -> None:
        """Send a further request; its answer takes the place of the last one."""
        self.answer = Answer(started_at=time.monotonic())
        await self.send(data)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_head(self) -> Answer:
        """Read up to the end of the final head; the answer's status stays 0 where none comes."""
        answer = self.answer
        while True:
            try:
                data = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                self._ended(error)
                return answer
            answer.raw += data
            first, *lines = data[:-4].decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
            if status < 200 and status != 101:
                answer.interim.append(status)
                continue
            answer.status = status
            for line in lines:
                name, _, value = line.partition(":")
                if name.lower() in answer.headers:
                    answer.repeated.add(name.lower())
                answer.headers[name.lower()] = value.strip()
            self._chunked = answer.headers.get("transfer-encoding", "").lower() == "chunked"
            length = answer.headers.get("content-length")
            self._length = int(length) if length is not None else None
            if status in (204, 304):
                answer.whole = True
            return answer

    async def read_piece(self) -> bytes:
        """Read the next piece of the body; empty at its end, whole or not."""
        answer = self.answer
        try:
            if self._chunked:
                line = await self.reader.readuntil(b"\r\n")
                size = int(line.split(b";")[0], 16)
                data = (await self.reader.readexactly(size + 2))[:-2]
                answer.whole = size == 0
            elif self._length is not None:
                data = await self.reader.read(min(65536, self._length - len(answer.body)))
                if not data and len(answer.body) < self._length:
                    raise asyncio.IncompleteReadError(b"", 1)
                answer.whole = len(answer.body) + len(data) == self._length
            else:
                data = await self.reader.read(65536)
                answer.whole = answer.closed = not data
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            if isinstance(error, asyncio.IncompleteReadError) and self._chunked and not error.partial.endswith(b"\r\n"):
                answer.body += error.partial
            self._ended(error)
            return b""
        answer.body += data
        return data

    async def read_all(self) -> Answer:
        """Read the response to its end and close; fails where nothing ends it within the patience."""
        try:
            return await self.read_to_end()
        finally:
            self.writer.close()

    async def read_to_end(self) -> Answer:
        """Read the response to its end, and keep the connection."""
        answer = self.answer
        try:
            async with asyncio.timeout(PATIENCE):
                await self.read_head()
                while answer.status and not answer.whole and not answer.closed:
                    await self.read_piece()
        finally:
            answer.ended_at = time.monotonic()
        return answer

    def stop_reading(self) -> None:
        """Take nothing more from the socket."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def leave(self) -> float:
        """Go without a word; returns when, in monotonic seconds."""
        self.writer.transport.abort()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn
        return time.monotonic()

    def _ended(self, error: Exception) -> None:
        self.answer.closed = True
        self.answer.reset = isinstance(error, ConnectionError)


def chat(
    model: str, user: str, key: str, *, stream: bool = False, usage: bool = False, headers: tuple[str, ...] = (), **more: object
) -> bytes:
    """A chat request as bytes; `usage` asks for the usage frame."""
    document: dict[str, object] = {"user": user, "model": model, "messages": [{"role": "user", "content": "通して"}], **more}
    if stream:
        document["stream"] = True
    if usage:
        document["stream_options"] = {"include_usage": True}
    return post("/v1/chat/completions", json.dumps(document, ensure_ascii=False).encode(), key, headers)


def post(path: str, body: bytes, key: str, headers: tuple[str, ...] = ()) -> bytes:
    """A POST request as bytes."""
    lines = (
        f"POST {path} HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: Bearer {key}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
        "",
        "",
    )
    return "\r\n".join(lines).encode() + body


async def ask(port: int, data: bytes) -> Answer:
    """Send one request and read its response to the end."""
    return await (await Call.open(port, data)).read_all()


async def ask_all(port: int, requests: list[bytes], at_once: int = 32) -> list[Answer]:
    """Send many requests, each on a connection of its own, in the order given."""
    gate = asyncio.Semaphore(at_once)

    async def one(data: bytes) -> Answer:
        async with gate:
            return await ask(port, data)

    return list(await asyncio.gather(*map(one, requests)))
