"""nginx in its two parts: the floor that everything is compared with (a plain reverse proxy), and an upstream with a fixed answer."""

import datetime
import ipaddress
import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ANSWER: Final = json.dumps(
    {
        "id": "chatcmpl-bench-0001",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "The Kamo river flows through Kyoto from north to south, with paths on both banks "
                    "where people walk, run and sit in the evening.",
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 41,
            "completion_tokens": 28,
            "total_tokens": 69,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    },
    separators=(",", ":"),
)
MANY: Final = 1_000_000_000
"""Requests per kept-alive connection: no connection is closed for its age during a run."""


@dataclass(frozen=True)
class Certificates:
    """Files of a self-made authority and of the server it vouches for (`localhost`, 127.0.0.1)."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """Write an authority and a server certificate, both on P-256 and valid for two days."""
    now = datetime.datetime.now(datetime.UTC)

    def builder(name: str, issuer: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )

    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = (
        builder("Sekisho bench authority", "Sekisho bench authority", authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        builder("localhost", "Sekisho bench authority", server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **usage), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    pem = serialization.Encoding.PEM
    files.authority.write_bytes(authority.public_bytes(pem))
    files.certificate.write_bytes(server.public_bytes(pem))
    files.key.write_bytes(server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    files.key.chmod(0o600)
    return files


def _configuration(folder: Path, name: str, http: str) -> list[str]:
    """Write a configuration whose every file lies in `folder`; returns the arguments for nginx."""
    home = folder / f"nginx-{name}"
    home.mkdir(exist_ok=True)
    # Started by root, nginx would hand its worker to an account that cannot enter our private folder.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    temporary = " ".join(f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path = home / "nginx.conf"
    path.write_text(
        f"{user} worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log; worker_rlimit_nofile 65536;\n"
        "events { worker_connections 16384; }\n"
        f"http {{ access_log off; {temporary}\n"
        f"  keepalive_requests {MANY}; keepalive_timeout 3600; client_max_body_size 50m; default_type application/json;\n"
        f"{http}}}\n"
    )
    return ["-p", str(home), "-e", str(home / "error.log"), "-c", str(path)]


def upstream(folder: Path, *, port: int, tls_port: int, certificates: Certificates) -> list[str]:
    """Arguments for an upstream that answers chat calls with one fixed completion, in the clear and over TLS."""
    location = f"location = /v1/chat/completions {{ return 200 '{ANSWER}'; }}"
    status = "location = /seen { stub_status; }"
    return _configuration(
        folder,
        "upstream",
        f"  server {{ listen 127.0.0.1:{port} backlog=4096; {location} {status} }}\n"
        f"  server {{ listen 127.0.0.1:{tls_port} ssl backlog=4096; {location}\n"
        f"    ssl_certificate {certificates.certificate}; ssl_certificate_key {certificates.key}; ssl_session_cache shared:s:1m; }}\n",
    )


@dataclass(frozen=True)
class Proxied:
    """One port of the proxy: where it sends, whether over TLS, and whether it passes a request body on while it arrives."""

    port: int
    upstream_port: int
    tls: bool = False
    stream_body: bool = False
    secure: bool = False
    """Whether its own clients come over TLS."""


def proxy(folder: Path, ports: list[Proxied], certificates: Certificates) -> list[str]:
    """Arguments for a plain reverse proxy with `proxy_buffering off` and kept-alive connections to its upstreams."""
    blocks = []
    for number, one in enumerate(ports):
        scheme, tls = "http", ""
        if one.tls:
            scheme = "https"
            tls = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {certificates.authority};"
            tls += " proxy_ssl_name localhost; proxy_ssl_server_name on;"
        door = ""
        if one.secure:
            door = f"ssl_certificate {certificates.certificate}; ssl_certificate_key {certificates.key}; ssl_session_cache shared:s:1m;"
        kept = f"keepalive 1024; keepalive_requests {MANY}; keepalive_timeout 3600s;"
        blocks.append(
            f"  upstream u{number} {{ server 127.0.0.1:{one.upstream_port}; {kept} }}\n"
            f"  server {{ listen 127.0.0.1:{one.port} {'ssl ' if one.secure else ''}backlog=4096; {door} location / {{\n"
            f"    proxy_pass {scheme}://u{number}; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;\n"
            f"    proxy_request_buffering {'off' if one.stream_body else 'on'}; {tls} }} }}\n"
        )
    return _configuration(folder, "proxy", "".join(blocks))
