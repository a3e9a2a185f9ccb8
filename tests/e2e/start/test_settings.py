"""Wrong settings, wherever they are written: the line names the place and what to write instead."""

from pathlib import Path

import pytest

from tests.e2e.start.attempts import Attempt, try_start

pytestmark = pytest.mark.e2e


def check(attempt: Attempt, *words: str) -> None:
    assert attempt.exit_code == 1, attempt
    for word in words:
        assert word in attempt.line
    assert "Traceback" not in attempt.stderr + attempt.stdout
    assert not attempt.changed
    assert not attempt.added


FILES = {
    "unknown section": ("[gatway]\nport = 4000\n", ["gatway", "did you mean gateway"]),
    "unknown name": ("[gateway]\nprot = 4000\n", ["gateway.prot", "did you mean gateway.port"]),
    "unknown name without a near one": ("[gateway]\nxyzzy = 1\n", ["gateway.xyzzy"]),
    "setting without a section": ("port = 4000\n", ["port"]),
    "text for a number": ('[gateway]\nport = "high"\n', ["gateway.port", "high"]),
    "port beyond the last": ("[gateway]\nport = 70000\n", ["gateway.port", "65535", "70000"]),
    "negative port": ("[console]\nport = -1\n", ["console.port", "-1"]),
    "no workers": ("[workers]\ncount = 0\n", ["workers.count", "0"]),
    "negative bound": ("[bounds]\nhead_timeout_s = -1.0\n", ["bounds.head_timeout_s", "-1"]),
    "one of a few words": ('[journal]\non_full = "explode"\n', ["journal.on_full", "refuse", "drop"]),
    "level of logs": ('[logs]\nlevel = "loud"\n', ["logs.level", "loud"]),
    "proxy that is no network": ('[trust]\nproxies = ["the proxy"]\n', ["trust.proxies", "the proxy"]),
    "no TOML": ("[gateway\nport = 4000\n", ["sekisho.toml", "TOML"]),
    "not even text": ("\x00\x01\x02", ["sekisho.toml"]),
    "two values for one": ("[gateway]\nport = 1\nport = 2\n", ["sekisho.toml"]),
    "database of another kind": ('[database]\nurl = "mysql://localhost/x"\n', ["database.url", "sqlite:///"]),
}


@pytest.mark.parametrize("case", FILES)
def test_file(home: Path, case: str) -> None:
    text, words = FILES[case]
    (home / "sekisho.toml").write_text(text)
    check(try_start(home), *words)


def test_file_in_broken_utf8(home: Path) -> None:
    (home / "sekisho.toml").write_bytes(b'[gateway]\nhost = "\xff\xfe"\n')
    check(try_start(home), "sekisho.toml")


ENVIRONMENTS = {
    "unknown section": ({"SEKISHO_GATWAY__PORT": "4000"}, ["SEKISHO_GATWAY__PORT", "did you mean SEKISHO_GATEWAY__PORT"]),
    "unknown name": ({"SEKISHO_GATEWAY__PROT": "4000"}, ["SEKISHO_GATEWAY__PROT", "did you mean SEKISHO_GATEWAY__PORT"]),
    "bad value": ({"SEKISHO_BOUNDS__HEADER_COUNT": "many"}, ["SEKISHO_BOUNDS__HEADER_COUNT", "many"]),
    "bad database": ({"SEKISHO_DATABASE_URL": "mysql://x"}, ["SEKISHO_DATABASE_URL", "sqlite:///"]),
    "bad secret key": ({"SEKISHO_SECRET_KEY": "hunter2"}, ["SEKISHO_SECRET_KEY"]),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_environment(home: Path, case: str) -> None:
    environment, words = ENVIRONMENTS[case]
    attempt = try_start(home, environment=environment)
    check(attempt, *words)
    assert "hunter2" not in attempt.stderr, "a secret is not repeated"


FLAGS = {
    "unknown": (["--prot", "4000"], ["--prot"]),
    "bad value": (["--port", "high"], ["--port", "high"]),
    "beyond the last": (["--port", "70000"], ["--port", "70000"]),
    "no workers": (["--workers", "0"], ["--workers", "0"]),
    "open console": (["--console-host", "0.0.0.0"], ["console.host", "--insecure"]),
    "both ports the same": (["--port", "45678", "--console-port", "45678"], ["45678", "--console-port"]),
    "address that is not here": (["--host", "192.0.2.1"], ["192.0.2.1", "--host"]),
}


@pytest.mark.parametrize("case", FLAGS)
def test_flag(home: Path, case: str) -> None:
    flags, words = FLAGS[case]
    check(try_start(home, *flags), *words)
