"""Numbers, times and foreign text."""

import pytest

from sekisho.cli import figures, inputs
from sekisho.cli.failures import CommandError
from sekisho.kit import clock

NOW = clock.from_rfc3339("2026-01-31T09:00:00Z")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.84, "840 µs"), (12.34, "12.3 ms"), (840.0, "840 ms"), (1240.4, "1.24 s"), (125_000, "2m 05s"), (3_720_000, "1h 02m")],
)
def test_durations(value: float | None, shown: str) -> None:
    assert figures.duration_ms(value) == shown


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (None, "USD", "–"),
        ("0.0000000000", "USD", "$0.00"),
        ("0.0002187000", "USD", "$0.0002187"),
        ("12.5", "EUR", "€12.50"),
        ("1e-10", "USD", "$0.0000000001"),
        ("1000000000000.0000000001", "XYZ", "1000000000000.0000000001 XYZ"),
    ],
)
def test_money_is_exact(amount: str | None, currency: str, shown: str) -> None:
    assert figures.money(amount, currency) == shown


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (None, "–"),
        ("2026-01-31T09:00:00.000001Z", "now"),
        ("2026-01-31T08:59:15Z", "45s ago"),
        ("2026-01-31T08:48:00Z", "12m ago"),
        ("2026-01-31T06:00:00Z", "3h ago"),
        ("2026-03-02T09:00:00Z", "in 30d"),
        ("2025-06-01T09:00:00Z", "8mo ago"),
        ("2023-01-01T09:00:00Z", "3y ago"),
        ("not a time\x1b[2J", "not a time\\u001b[2J"),
    ],
)
def test_times_are_told_by_their_distance(moment: str | None, shown: str) -> None:
    assert figures.relative(moment, NOW) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (512, "512 B"), (1200, "1.2 kB"), (64_000_000, "64.0 MB"), (5 * 10**12, "5.0 TB")]
)
def test_sizes(value: int | None, shown: str) -> None:
    assert figures.size(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 日本語 and ünïcode", "plain, 日本語 and ünïcode"),
        ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
        ("a\u202eb\u2066c\u2028d\x9b31m", "a\\u202eb\\u2066c\\u2028d\\u009b31m"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\ud800", "\\ud800"),
        ("", "–"),
        (None, "–"),
        (0, "0"),
    ],
)
def test_foreign_text_moves_no_cursor(text: object, shown: str) -> None:
    assert figures.clean_line(text) == shown


def test_since_takes_a_time_or_how_long_ago() -> None:
    assert inputs.moment("24h", "--since", NOW) == "2026-01-30T09:00:00.000000Z"
    assert inputs.moment("2026-01-31T10:00:00+09:00", "--since", NOW) == "2026-01-31T01:00:00.000000Z"
    assert inputs.moment(None, "--since", NOW) is None
    with pytest.raises(CommandError, match="--until: write how long ago"):
        inputs.moment("2026-01-31T10:00:00", "--until", NOW)


def test_names_become_parts_of_paths() -> None:
    assert inputs.segment("a/../b?c") == "a%2F..%2Fb%3Fc"
    assert inputs.model_path("up/org/model:8b?x") == "up/org/model:8b%3Fx"
