"""Addresses as values: parsed once, compared in one canonical form."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_address(text: str) -> Address | None:
    """Read an address without a zone; an IPv4 address mapped into IPv6 becomes plain IPv4. None where it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def source_group(text: str) -> str:
    """The unit in which a source is counted: an IPv4 address, or the /64 of an IPv6 one (one home or host has a whole /64)."""
    address = parse_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return text if address is None else str(address)


def is_loopback(text: str) -> bool:
    """Whether the text is an address of this host's loopback."""
    address = parse_address(text)
    return address is not None and address.is_loopback


class AddressSet:
    """Networks to test an address against; few, so a plain list is the fastest form."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[Network] = [ipaddress.ip_network(each, strict=False) for each in networks]

    def __contains__(self, text: str) -> bool:
        address = parse_address(text)
        return address is not None and any(address in network for network in self._networks)

    def __bool__(self) -> bool:
        return bool(self._networks)
