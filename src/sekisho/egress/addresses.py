"""Which addresses may be connected to: decided on the address itself, never on the text that led to it."""

import ipaddress
from typing import Final

from sekisho.kit.net import Address, AddressSet, parse_address

EMBEDDING: Final = AddressSet(("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.88.99.0/24"))
"""Prefixes that carry another address inside (NAT64, 6to4, Teredo): what looks public here may end at a private place."""


def canonical(text: str) -> Address | None:
    """The address that a text spells, IPv4 inside IPv6 taken out; None where it spells none, or one with a zone."""
    return parse_address(text)


def is_public(address: Address) -> bool:
    """Whether anyone may be sent there: a global unicast address."""
    return address.is_global and not address.is_multicast and str(address) not in EMBEDDING


def is_usable(address: Address) -> bool:
    """Whether it is the address of one host at all, private ones included."""
    if address.is_multicast or address.is_unspecified:
        return False
    return not (isinstance(address, ipaddress.IPv4Address) and address.is_reserved)
