"""Reverse proxies as people put them in front: nginx, HAProxy and Caddy, each with kept connections to the door."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support import requires
from tests.support.product import eventually, free_ports

NGINX: Final = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream door {{ server 127.0.0.1:{door}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 40m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    {more}
    location / {{ proxy_pass http://door; }}
  }}
}}
"""
HAPROXY: Final = """
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server door 127.0.0.1:{door}
"""
CADDY: Final = """{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port}, http://:{port} {{
  reverse_proxy 127.0.0.1:{door}
}}
"""


def _nginx(folder: Path, port: int, door: int, more: str = "") -> list[str]:
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, port=port, door=door, more=more))
    return ["nginx", "-c", str(path), "-e", str(folder / "error.log")]


def _nginx_streaming(folder: Path, port: int, door: int) -> list[str]:
    return _nginx(folder, port, door, "proxy_request_buffering off; proxy_buffering off;")


def _haproxy(folder: Path, port: int, door: int) -> list[str]:
    path = folder / "haproxy.cfg"
    path.write_text(HAPROXY.format(port=port, door=door))
    return ["haproxy", "-db", "-f", str(path)]


def _caddy(folder: Path, port: int, door: int) -> list[str]:
    path = folder / "Caddyfile"
    path.write_text(CADDY.format(port=port, door=door))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(path)]


FRONTS: Final = {"nginx": _nginx, "nginx, unbuffered": _nginx_streaming, "haproxy": _haproxy, "caddy": _caddy}


@contextmanager
def front(kind: str, folder: Path, door: int) -> Iterator[int]:
    """The proxy, running; yields its port."""
    requires.program(kind.partition(",")[0])
    (port,) = free_ports(1)
    command = FRONTS[kind](folder, port, door)
    log = (folder / "log").open("wb")
    environment = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin",
    }
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually(lambda: _listens(process, port), f"{kind} listening", 10, explain=lambda: (folder / "log").read_text())
        yield port
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, f"it ended with {process.returncode}"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
