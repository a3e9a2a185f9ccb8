"""E1: listeners that come and go while the product runs, on every worker, without a process of their own."""

import contextlib
import os
import signal
import socket
import threading
import time

import httpx
import pytest

from tests.e2e.tls.houses import SecureProduct
from tests.support.patience import within
from tests.support.product import CommandError, Product, alive, descendants, eventually, free_ports

pytestmark = pytest.mark.e2e

STREAM = {"model": "sandbox/slow", "stream": True, "messages": [{"role": "user", "content": "one two three"}]}


def served(url: str, **more: object) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, **more).status_code == 200  # type: ignore[arg-type]
    except httpx.TransportError:
        return False


def test_a_listener_comes_and_goes() -> None:
    """Two workers: both serve it, a stream on it is heard to its end, and its port is free for others at once."""
    with Product(workers=2) as product:
        key = product.key
        before = descendants(product.process.pid)  # type: ignore[union-attr]
        [port] = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        told = product.cli("proxy", "start", "--port", str(port), "--name", "side")
        assert {name: told[name] for name in ("name", "door", "scheme", "host", "port", "warnings", "started")} == {
            "name": "side",
            "door": "gateway",
            "scheme": "http",
            "host": "127.0.0.1",
            "port": port,
            "warnings": [],
            "started": False,
        }
        assert all(served(url) for _ in range(20))
        listeners = {each["name"]: each["port"] for each in product.cli("proxy", "status")["listeners"]}
        assert listeners == {"gateway": product.port, "console": product.console_port, "side": port}
        assert descendants(product.process.pid) == before  # type: ignore[union-attr]
        heard: list[bytes] = []

        def listen() -> None:
            headers = {"authorization": f"Bearer {key}"}
            with httpx.stream("POST", f"{url}/v1/chat/completions", json=STREAM, headers=headers, timeout=30) as answer:
                heard.extend(answer.iter_bytes())

        stream = threading.Thread(target=listen)
        stream.start()
        eventually(lambda: heard, "the beginning of the stream")
        product.cli("proxy", "stop", "side")
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
        stream.join(30)
        assert b"[DONE]" in b"".join(heard)
        assert not served(url)
        assert "side" not in {each["name"] for each in product.cli("proxy", "status")["listeners"]}


def test_it_outlives_workers_node_and_reload() -> None:
    with Product() as product:
        assert product.key
        [port] = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        assert product.cli("proxy", "start", "--port", str(port))["name"] == f"port-{port}"
        product.kill_worker()
        eventually(lambda: served(url), "the new worker")
        [worker] = product.status()["workers"]
        product.cli("reload")
        eventually(lambda: worker not in product.status()["workers"], "new workers", 40)
        assert all(served(url) for _ in range(5))
        product.kill_node()
        eventually(lambda: product.run("status").returncode == 0, "the new node", 20)
        assert f"port-{port}" in {each["name"] for each in product.cli("proxy", "status")["listeners"]}
        product.cli("proxy", "stop", f"port-{port}")
        eventually(lambda: not served(url), "its end")


def test_what_cannot_be_is_told() -> None:
    with Product() as product, socket.create_server(("127.0.0.1", 0)) as taken:
        assert product.key
        busy = taken.getsockname()[1]
        [port] = free_ports(1)
        flaws = {
            ("start", "--port", str(busy)): ("ADDRESS_UNAVAILABLE", f"port {busy} is in use"),
            ("start", "--port", str(port), "--name", "gateway"): ("INVALID_VALUE", "no name for a listener"),
            ("start", "--port", str(port), "--mode", "packaged-ca"): ("MODE_NOT_SERVED", "local-http"),
            ("start", "--port", str(port), "--bind", "203.0.113.1"): ("ADDRESS_UNAVAILABLE", "203.0.113.1"),
            ("stop", "nobody"): ("LISTENER_NOT_FOUND", "nobody"),
            ("stop", "gateway"): ("LISTENER_NOT_FOUND", "gateway"),
        }
        for words, (code, message) in flaws.items():
            with pytest.raises(CommandError) as refused:
                product.cli("proxy", *words)
            assert (refused.value.exit_code, refused.value.code) == (1, code)
            assert message in refused.value.message
        product.cli("proxy", "start", "--port", str(port))
        with pytest.raises(CommandError, match="NAME_TAKEN"):
            product.cli("proxy", "start", "--port", str(port))
        assert served(product.origin)


def test_a_worker_that_hangs_is_named_and_catches_up() -> None:
    with Product(workers=2) as product:
        assert product.key
        [port] = free_ports(1)
        hung = int(product.status()["workers"][0])
        os.kill(hung, signal.SIGSTOP)
        try:
            began = time.monotonic()
            told = product.cli("proxy", "start", "--port", str(port))
            assert time.monotonic() - began < within(8)
            assert [str(hung) in each for each in told["warnings"]] == [True]
        finally:
            os.kill(hung, signal.SIGCONT)
        assert all(served(f"http://127.0.0.1:{port}") for _ in range(10))


def test_with_tls_on_it_speaks_tls(secure: SecureProduct) -> None:
    """And sends what comes in clear to its own port."""
    [port] = free_ports(1)
    told = secure.cli("proxy", "start", "--port", str(port), "--mode", "dev-selfsigned")
    assert told["scheme"] == "https"
    try:
        assert served(f"https://127.0.0.1:{port}", verify=secure.trust)
        answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=5)
        assert (answer.status_code, answer.headers["location"]) == (301, f"https://127.0.0.1:{port}/health")
    finally:
        secure.cli("proxy", "stop", f"port-{port}")


@pytest.mark.parametrize("mode", ["local-http", "dev-selfsigned"])
def test_where_none_runs_one_is_started_and_stopped(mode: str) -> None:
    """It is there when the command has ended, its first key is told once and stands in no file, and nothing of it is left."""
    product = SecureProduct() if mode == "dev-selfsigned" else Product()
    product.environment["SEKISHO_CONSOLE__PORT"] = str(product.console_port)
    flags = ["--https-port", str(product.https_port)] if isinstance(product, SecureProduct) else []
    try:
        told = product.cli("proxy", "start", "--port", str(product.port), "--mode", mode, *flags, timeout=90)
        assert (told["started"], told["scheme"]) == (True, "http" if mode == "local-http" else "https")
        pid, key = int(told["pid"]), told["plain_key"]
        processes = [pid, *descendants(pid)]
        assert len(processes) == 3
        url = f"{told['scheme']}://127.0.0.1:{told['port']}"
        trust = {"verify": product.trust} if isinstance(product, SecureProduct) else {}
        answer = httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"}, timeout=10, **trust)  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert [path for path in product.home.rglob("*") if path.is_file() and key.encode() in path.read_bytes()] == []
        assert product.cli("proxy", "status")["mode"] == mode
        assert product.cli("proxy", "stop", timeout=60)["server"] == pid
        eventually(lambda: not [each for each in processes if alive(each)], "the end of all processes")
    finally:
        with contextlib.suppress(CommandError):
            product.cli("stop")
        product.clean()


def test_a_start_that_fails_says_why() -> None:
    product = Product()
    product.environment["SEKISHO_CONSOLE__PORT"] = str(product.console_port)
    try:
        with socket.create_server(("127.0.0.1", product.port)), pytest.raises(CommandError) as refused:
            product.cli("proxy", "start", "--port", str(product.port), timeout=90)
        assert refused.value.code == "START_FAILED"
        assert f"port {product.port} is in use" in refused.value.message
    finally:
        product.clean()


def test_all_are_stopped_at_once_and_the_server_of_others_stays() -> None:
    with Product() as product:
        assert product.key
        ports = free_ports(2)
        for port in ports:
            product.cli("proxy", "start", "--port", str(port))
        assert sorted(product.cli("proxy", "stop")["stopped"]) == sorted(f"port-{port}" for port in ports)
        assert served(product.origin)
