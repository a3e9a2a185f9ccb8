"""T102: what strangers' scanners say of the doors: TLS 1.2 and 1.3, suites with forward secrecy, nothing that has a name of its own."""

import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.e2e.tls.houses import SecureProduct
from tests.support import requires

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

STRONG = re.compile(
    r"TLS_(AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305_SHA256)|ECDHE-ECDSA-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305)"
)


def ports(product: SecureProduct) -> dict[str, int]:
    return {"gateway": product.https_port, "console": product.console_port}


@pytest.mark.parametrize("door", ["gateway", "console"])
def test_sslscan(secure: SecureProduct, door: str) -> None:
    requires.program("sslscan")
    done = subprocess.run(
        ["sslscan", "--no-colour", "--xml=-", f"127.0.0.1:{ports(secure)[door]}"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = ElementTree.fromstring(done.stdout).find("ssltest")
    assert found is not None
    versions = {f"{each.get('type')} {each.get('version')}": each.get("enabled") == "1" for each in found.iter("protocol")}
    assert {name for name, on in versions.items() if on} == {"tls 1.2", "tls 1.3"}
    assert set(versions) >= {"ssl 2", "ssl 3", "tls 1.0", "tls 1.1"}
    ciphers = [(each.get("sslversion"), str(each.get("cipher")), int(each.get("bits") or 0)) for each in found.iter("cipher")]
    assert {version for version, _, _ in ciphers} == {"TLSv1.2", "TLSv1.3"}
    assert [each for each in ciphers if not STRONG.fullmatch(each[1]) or each[2] < 128] == []
    assert {each.get("supported") for each in found.iter("renegotiation")} == {"0"}
    assert {each.get("supported") for each in found.iter("compression")} <= {"0"}
    assert {each.get("vulnerable") for each in found.iter("heartbleed")} == {"0"}


GOOD = {"OK", "INFO", "LOW"}
"""What testssl says of a thing that is as it should be. LOW: not weak, only not the newest."""
AUTHORITY = {"cert_trust", "cert_chain_of_trust", "cert_revocation", "cert_caIssuers", "OCSP_stapling", "cert_crlDistributionPoints"}
"""What is said of a certificate for being signed by an authority of one's own; that it is the right one is tested elsewhere."""


def test_testssl(secure: SecureProduct, tmp_path: Path) -> None:
    """Protocols, suites, forward secrecy and the vulnerabilities that have names."""
    requires.program("testssl")
    report = tmp_path / "report.json"
    command = ["testssl", "--quiet", "--warnings", "off", "--color", "0", "--ip", "127.0.0.1", "--jsonfile", str(report)]
    sections = ["--protocols", "--std", "--fs", "--heartbleed", "--ccs-injection", "--ticketbleed", "--robot", "--renegotiation", "--crime"]
    done = subprocess.run(
        [*command, *sections, f"localhost:{secure.https_port}"], capture_output=True, text=True, timeout=380, check=False, cwd=tmp_path
    )
    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text())
    # Older releases call forward secrecy PFS.
    told = {each["id"].removeprefix("P") if each["id"] == "PFS" else each["id"]: each for each in found}
    assert {"SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "heartbleed", "ROBOT", "FS", "secure_client_renego"} <= set(told), (
        done.stdout
    )
    assert [each for each in found if each["severity"] not in GOOD and each["id"] not in AUTHORITY] == []
    for version in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
        assert told[version]["finding"].startswith("not offered")
    for version in ("TLS1_2", "TLS1_3"):
        assert told[version]["finding"].startswith("offered")
