"""Limits outlive all processes by a file that may be old, damaged or missing, and is never more than a help."""

import asyncio
from pathlib import Path

import pytest

from sekisho.bridge import standings
from sekisho.bridge.counts import Counts
from sekisho.bridge.standings import Standings
from sekisho.core.model.snapshot import Key
from sekisho.core.wire import link

WALL = 1_800_000_000_000_000


class Wall:
    """A clock that stands still."""

    def __init__(self, later_s: int = 0) -> None:
        self._at = WALL + later_s * 1_000_000

    def now(self) -> int:
        return self._at


def counted(now: float = 50.0) -> Counts:
    counts = Counts(lambda: now)
    counts.learn([Key(b"a" * 32, "a", "a", "default", None, 60, 600)])
    return counts


def told(counts: Counts) -> dict[str, tuple[float, float]]:
    frame = counts.next_frame(counts.join())
    return {each.key: (each.requests_s, each.tokens_s) for each in frame.shares} if frame else {}


def written(path: Path) -> None:
    """30 s of requests and 6 s of tokens."""
    counts = counted()
    counts.take(counts.join(), link.Counts(1.0, (link.Count("a", 30, 60, 2),)))
    kept = Standings(path, Wall())
    kept.changed()
    kept.write(counts)


@pytest.mark.parametrize(
    ("later_s", "expected"),
    [(0, {"a": (30.0, 6.0)}), (10, {"a": (20.0, 0.0)}), (31, {}), (90 * 86400, {}), (-3600, {"a": (30.0, 6.0)})],
    ids=["at once", "later", "much later", "the clock jumped on", "the clock was set back"],
)
def test_limits_stand_where_they_stood(tmp_path: Path, later_s: int, expected: dict[str, tuple[float, float]]) -> None:
    """On another monotonic clock, as after a restart of the machine."""
    written(tmp_path / "limits")
    counts = counted(7000.0)
    Standings(tmp_path / "limits", Wall(later_s)).restore(counts)
    assert told(counts) == {key: pytest.approx(value) for key, value in expected.items()}


@pytest.mark.parametrize("damage", [b"", b"\xc1\xc1", b"\x00" * 100])
def test_what_cannot_be_read_is_as_none_at_all(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "limits").write_bytes(damage)
    counts = counted()
    Standings(tmp_path / "limits", Wall()).restore(counts)
    Standings(tmp_path / "none", Wall()).restore(counts)
    assert told(counts) == {}
    assert ["cannot be read" in record.message for record in caplog.records] == [True]


def test_a_file_cut_short_is_not_read(tmp_path: Path) -> None:
    written(tmp_path / "limits")
    whole = (tmp_path / "limits").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "limits").write_bytes(whole[:length])
        counts = counted()
        Standings(tmp_path / "limits", Wall()).restore(counts)
        assert told(counts) == {}


def test_nothing_is_written_unless_something_was_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "INTERVAL_S", 0.01)
    path = tmp_path / "limits"

    async def scene() -> None:
        counts = counted()
        kept = Standings(path, Wall())
        keeping = asyncio.ensure_future(kept.keep(counts))
        await asyncio.sleep(0.05)
        assert not path.exists()
        kept.changed()
        async with asyncio.timeout(5):
            while not path.exists():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        keeping.cancel()
        path.unlink()
        kept.write(counts)
        assert not path.exists(), "it was written already"

    asyncio.run(scene())


def test_a_disk_that_refuses_is_told_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = Standings(tmp_path / "gone" / "limits", Wall())
    kept.changed()
    kept.write(counted())
    assert ["cannot be written" in record.message for record in caplog.records] == [True]
