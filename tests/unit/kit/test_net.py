"""Addresses in one canonical form, however they are spelled."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.kit import net


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::1", "::1"),
    ],
)
def test_an_address_has_one_form(text: str, canonical: str) -> None:
    assert str(net.parse_address(text)) == canonical


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4:80", "[::1]", "fe80::1%eth0", "01.2.3.4", "1.2.3.4 "])
def test_what_is_no_address_is_none(text: str) -> None:
    assert net.parse_address(text) is None


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_a_source_is_counted_by_its_group(text: str, group: str) -> None:
    assert net.source_group(text) == group


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_a_whole_home_is_one_source(address: ipaddress.IPv6Address, host: int) -> None:
    if address.ipv4_mapped is None:
        neighbour = ipaddress.IPv6Address(int(address) >> 64 << 64 | host)
        assert neighbour.ipv4_mapped is not None or net.source_group(str(neighbour)) == net.source_group(str(address))


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_loopback(text: str, loopback: bool) -> None:
    assert net.is_loopback(text) is loopback


def test_a_set_of_networks() -> None:
    proxies = net.AddressSet(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])
    assert [text for text in ("10.1.2.3", "192.0.2.7", "2001:db8::5", "::ffff:10.1.2.3") if text not in proxies] == []
    assert [text for text in ("11.0.0.1", "192.0.2.8", "2001:db9::5", "unix", "") if text in proxies] == []
    assert proxies
    assert not net.AddressSet([])
