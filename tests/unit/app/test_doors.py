"""Which sockets a life binds, and how each is served."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from sekisho.app import doors
from sekisho.app.homes import Home
from sekisho.app.settings import Console, Gateway, Loaded, Settings
from sekisho.certs.settings import Certs

DEV = Certs(mode="dev-selfsigned")


def plan(of: Settings) -> list[tuple[str, str, str, int]]:
    return [(each.name, each.door, each.scheme, each.port) for each in doors.planned(of)]


def test_without_tls_there_are_two() -> None:
    assert plan(Settings()) == [("gateway", "gateway", "http", 4000), ("console", "console", "http", 4001)]


@pytest.mark.parametrize(
    ("gateway", "console", "https"),
    [
        (Gateway(), Console(), 4443),
        (Gateway(port=5000), Console(), 5001),
        (Gateway(port=5000, https_port=6000), Console(), 6000),
        (Gateway(port=65535), Console(), 4443),
        (Gateway(port=0), Console(port=0), 0),
        (Gateway(port=7000), Console(port=7001), 4443),
    ],
)
def test_with_tls_the_gateways_port_shows_the_way(gateway: Gateway, console: Console, https: int) -> None:
    assert plan(Settings(gateway=gateway, console=console, tls=DEV)) == [
        ("gateway", "gateway", "redirect", gateway.port),
        ("gateway-https", "gateway", "https", https),
        ("console", "console", "https", console.port),
    ]


def test_one_port_for_both() -> None:
    of = Settings(gateway=Gateway(port=5000, https_port=5000), tls=DEV)
    assert plan(of) == [("gateway", "gateway", "https", 5000), ("console", "console", "https", 4001)]


def test_workers_are_told_where_tls_is_bound() -> None:
    planned = doors.planned(Settings(gateway=Gateway(port=0), console=Console(port=0), tls=DEV))
    with ExitStack() as stack:
        sockets = {each.name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for each in planned}
        ports = {name: bound.getsockname()[1] for name, bound in sockets.items()}
        listeners = doors.listeners(planned, sockets)
        assert [(each.door, each.scheme, each.https_port) for each in listeners] == [
            ("gateway", "redirect", ports["gateway-https"]),
            ("gateway", "https", ports["gateway-https"]),
            ("console", "https", ports["console"]),
        ]
        told = doors.told(planned, {name: bound.getsockname()[:2] for name, bound in sockets.items()})
        assert doors.shown(told, "gateway") == f"https://127.0.0.1:{ports['gateway-https']}"
        assert doors.shown(told, "console") == f"https://127.0.0.1:{ports['console']}"


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://127.0.0.1:1"), ("::1", "http://[::1]:1"), ("a", "http://a:1")]
)
def test_how_a_client_of_this_host_gets_there(host: str, url: str) -> None:
    assert doors.url(host, 1, "http") == url


def test_where_certificate_and_root_lie(tmp_path: Path) -> None:
    home = Home(tmp_path)

    def loaded(tls: Certs) -> Loaded:
        return Loaded(home, Settings(tls=tls), {})

    assert doors.certificate(loaded(Certs())) is None
    assert doors.root(loaded(Certs())) is None
    made = doors.certificate(loaded(DEV))
    assert made is not None
    assert (made.certificate, made.hsts) == (str(home.certs / "dev-selfsigned" / "server.pem"), False)
    assert doors.root(loaded(DEV)) == home.certs / "dev-selfsigned" / "root.pem"
    own = Certs(mode="files", certificate="/a.pem", key="/b.pem")
    given = doors.certificate(loaded(own))
    assert given is not None
    assert (given.certificate, given.key, given.hsts) == ("/a.pem", "/b.pem", True)
    assert doors.root(loaded(own)) is None


def test_the_making_sees_no_secret_and_tells_its_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEKISHO_SECRET_KEY", "never told")
    home = Home(tmp_path / "home")
    loaded = Loaded(home, Settings(tls=DEV), {})
    doors.prepare(loaded)
    first = (home.certs / "dev-selfsigned" / "server.pem").read_bytes()
    doors.prepare(loaded)
    assert (home.certs / "dev-selfsigned" / "server.pem").read_bytes() == first
    (home.certs / "dev-selfsigned" / "root.key").write_text("damaged")
    with pytest.raises(doors.DoorError, match=r"root\.key is no key"):
        doors.prepare(loaded)


def test_a_given_pair_is_looked_at_before_the_start(tmp_path: Path) -> None:
    loaded = Loaded(Home(tmp_path), Settings(tls=Certs(mode="files", certificate=f"{tmp_path}/a.pem", key=f"{tmp_path}/b.pem")), {})
    with pytest.raises(doors.DoorError, match=r"tls\.certificate: .*a\.pem: No such file"):
        doors.prepare(loaded)
