"""Which addresses are public, in every spelling that an attacker has."""

import pytest

from sekisho.egress.addresses import canonical, is_public, is_usable

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"]

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]

UNUSABLE = ["0.0.0.0", "::", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "ff02::1", "::ffff:0.0.0.0"]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_ones_are(text: str) -> None:
    address = canonical(text)
    assert address is not None
    assert is_public(address)
    assert is_usable(address)


@pytest.mark.parametrize("text", PRIVATE)
def test_private_ones_are_not_public_but_usable(text: str) -> None:
    address = canonical(text)
    assert address is not None
    assert not is_public(address)
    assert is_usable(address)


@pytest.mark.parametrize("text", UNUSABLE)
def test_what_is_no_one_host_is_never_usable(text: str) -> None:
    address = canonical(text)
    assert address is not None
    assert not is_public(address)
    assert not is_usable(address)


@pytest.mark.parametrize("text", ["fe80::1%eth0", "127.1", "0x7f000001", "2130706433", "localhost", "", "127.0.0.1 ", "1.2.3.4/8"])
def test_what_is_no_plain_address_is_none(text: str) -> None:
    assert canonical(text) is None
