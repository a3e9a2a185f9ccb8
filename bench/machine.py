"""What Linux tells about processes and about the machine. CPU times are of `/proc/<pid>/stat`: user and system, in seconds."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
QUIET_BUSY: Final = 0.05
"""Above this share of CPU time used by others before the run, the figures are not to be trusted."""

ROOT: Final = Path(__file__).resolve().parent.parent
"""The checkout."""


def _stat(pid: int) -> list[str]:
    """The fields of a process after its name (which may hold anything); field 0 here is `state`."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU used so far by these processes, without their children. A process that ended raises FileNotFoundError."""
    total = 0
    for pid in pids:
        fields = _stat(pid)
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def rss_bytes(pid: int) -> int:
    """Resident memory of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def born(pid: int) -> str | None:
    """When a process started, in ticks since boot: with the pid it names a process for good. None where it is gone."""
    try:
        return _stat(pid)[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def children(pid: int) -> list[int]:
    """The pids of a process's direct children."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def tree(pid: int) -> list[tuple[int, str]]:
    """All descendants of a process, each with its birth; not the process itself."""
    found: list[tuple[int, str]] = []
    for child in children(pid):
        at = born(child)
        if at is not None:
            found += [(child, at), *tree(child)]
    return found


def find(program: str) -> str | None:
    """The path of a program; the system folders count even where a user's PATH leaves them out."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"]))


def python_module(name: str) -> list[str]:
    """Arguments that run a module with the interpreter of the bench."""
    return [sys.executable, "-m", name]


def _busy() -> tuple[int, int]:
    """Ticks used and ticks passed on all cores since boot."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def core_seconds(core: int) -> float:
    """CPU time used on one core since boot, by everyone."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    fields = [int(field) for field in line.split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


class Watch:
    """CPU of some processes from now on, and what others take of their core meanwhile."""

    def __init__(self, pids: Iterable[int], core: int) -> None:
        self._pids = list(pids)
        self._core = core
        self._at = time.monotonic()
        self._all = core_seconds(core)
        self._own = cpu_seconds(self._pids)

    def read(self) -> tuple[float, float]:
        """Seconds of CPU that the processes used, and the share of the core that others had (0 to 1)."""
        own = cpu_seconds(self._pids) - self._own
        others = core_seconds(self._core) - self._all - own
        return own, max(0.0, others / (time.monotonic() - self._at))


@dataclass(frozen=True)
class Quiet:
    """How busy the machine was with other things before the run."""

    busy: float
    """Share of all cores' time, 0 to 1."""
    busiest: tuple[str, ...]
    """Names and shares of one core of what used the most."""

    @property
    def ok(self) -> bool:
        return self.busy <= QUIET_BUSY


def measure_quiet(seconds: float = 2.0) -> Quiet:
    """Watch the machine do nothing for a while."""

    def all_cpu() -> dict[int, float]:
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    found[int(entry.name)] = cpu_seconds([int(entry.name)])
                except (FileNotFoundError, ProcessLookupError):
                    continue
        return found

    before, (used, passed) = all_cpu(), _busy()
    time.sleep(seconds)
    used_after, passed_after = _busy()
    after = all_cpu()
    shares = sorted(((cpu - before.get(pid, cpu)) / seconds, pid) for pid, cpu in after.items() if pid != os.getpid())
    busiest = []
    for share, pid in reversed(shares[-3:]):
        if share >= 0.02:
            try:
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except FileNotFoundError:
                name = "ended"
            busiest.append(f"{name} ({pid}) {share:.0%}")
    return Quiet((used_after - used) / max(1, passed_after - passed), tuple(busiest))


def describe(programs: dict[str, str]) -> dict[str, str]:
    """The machine and the versions that the figures belong to."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    facts = {"cpu": cpu, "cores": str(os.cpu_count()), "kernel": platform.release(), "python": platform.python_version()}
    for package in ("uvloop", "httptools", "msgspec", "cryptography"):
        facts[package] = importlib.metadata.version(package)
    for name, path in programs.items():
        flag = "-v"
        text = subprocess.run([path, flag], capture_output=True, text=True, check=False, timeout=10)
        facts[name] = (
            (text.stdout + text.stderr).strip().splitlines()[0].split(" Copyright")[0].removeprefix("nginx version: ").removeprefix("wrk ")
        )
    return facts


def commit() -> str:
    """The checkout's commit, seven digits, with `-dirty` where tracked files differ; `uncommitted` where there is none."""
    head = subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if head.returncode:
        return "uncommitted"
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return head.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")


def refuse_other_platforms() -> str | None:
    """Why this machine cannot run the bench, in one line; None where it can."""
    if sys.platform != "linux":
        return "the bench reads /proc and pins processes to cores: it needs Linux"
    if len(os.sched_getaffinity(0)) < 2:
        return "the bench needs two cores: one for what is measured, one for what loads it and answers it"
    return None
