"""What a process holds, as the system tells it."""

from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Its resident memory without the pages of files, such as mapped journals."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["RssAnon"].split()[0]) * 1024


def descriptors(pid: int) -> int:
    """How many files and sockets it has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
