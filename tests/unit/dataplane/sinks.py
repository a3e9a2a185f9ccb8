"""A sink of one response whose end can be awaited."""

import asyncio

from sekisho.core.wire.http1.events import ResponseSink
from tests.unit.wire.sinks import Response


class Awaited(Response, ResponseSink):
    """Writes down what it is told, and what it should not have been told."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    def response_completed(self) -> None:
        super().response_completed()
        self.ended.set()

    def response_failed(self, code: str, message: str) -> None:
        super().response_failed(code, message)
        self.ended.set()
