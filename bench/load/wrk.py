"""Runs wrk and reads its summary. A run in which an answer was not 2xx, or a connection broke, measured something else: it is refused."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.processes import BenchError, Processes

SCRIPT: Final = Path(__file__).with_name("chat.lua")


@dataclass(frozen=True)
class Request:
    """What wrk sends: `kind` is plain, stream or image."""

    url: str
    model: str = "gpt-4o-mini"
    key: str = "none"
    kind: str = "plain"
    headers: tuple[tuple[str, str], ...] = ()

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "BENCH_MODEL": self.model,
            "BENCH_KEY": self.key,
            "BENCH_KIND": self.kind,
            "BENCH_HEADERS": ";".join(f"{name}={value}" for name, value in self.headers),
        }


@dataclass(frozen=True)
class Summary:
    """What wrk counted; latencies in microseconds."""

    requests: int
    duration_us: int
    bytes: int
    p50_us: int
    p90_us: int
    p99_us: int
    max_us: int
    connect_errors: int
    read_errors: int
    write_errors: int
    status_errors: int
    timeouts: int

    @property
    def rate(self) -> float:
        """Whole answers per second."""
        return self.requests / (self.duration_us / 1e6)


class Load:
    """One running wrk. `finish` waits for its end and gives the summary."""

    def __init__(self, processes: Processes, wrk: str, request: Request, *, connections: int, seconds: float) -> None:
        argv = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(SCRIPT), request.url]
        self._request = request
        self._process = processes.spawn("wrk", argv, cores={processes.other}, env=request.environment(), stdout=subprocess.PIPE)
        self._processes = processes
        self._patience = seconds + 30

    def finish(self, *, allow_errors: bool = False) -> Summary:
        """Wait for wrk; raises BenchError where it failed, nothing was answered or an answer was wrong (unless `allow_errors`)."""
        try:
            output, _ = self._process.communicate(timeout=self._patience)
        except subprocess.TimeoutExpired:
            raise BenchError(f"wrk against {self._request.url} did not end") from None
        finally:
            self._processes.stop(self._process)
        line = next((line for line in output.decode().splitlines() if line.startswith("BENCH ")), None)
        if line is None:
            raise BenchError(f"wrk against {self._request.url} gave no summary: {output.decode().strip()[-200:] or 'no output'}")
        summary = Summary(**json.loads(line.removeprefix("BENCH ")))
        wrong = summary.connect_errors + summary.read_errors + summary.write_errors + summary.status_errors + summary.timeouts
        if not allow_errors and (wrong or not summary.requests):
            raise BenchError(
                f"{self._request.url}: {summary.requests} answers, {summary.status_errors} of them not 2xx; connections: "
                f"{summary.connect_errors} refused, {summary.read_errors + summary.write_errors} broken, {summary.timeouts} timed out"
            )
        return summary


def run(processes: Processes, wrk: str, request: Request, *, connections: int, seconds: float) -> Summary:
    """Load for so many seconds (whole ones, at least 1), from the beginning to the summary."""
    return Load(processes, wrk, request, connections=connections, seconds=seconds).finish()
