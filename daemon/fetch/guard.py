"""The egress guard: what a feed's address may make this machine dial.

``ipaddress.is_global`` is not enough: it lets through NAT64, 6to4, IPv4-compatible and multicast addresses. So IPv6 is
an allow-list (2000::/3 minus the blocks below) and IPv4 the IANA special-purpose registry, written out:
https://www.iana.org/assignments/iana-ipv4-special-registry/ and …/iana-ipv6-special-registry/
"""

import errno
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_IPV4 = {
    "this host": ("0.0.0.0/8",),
    "a private network": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    "a carrier's inner network": ("100.64.0.0/10",),
    "this machine": ("127.0.0.0/8",),
    "link-local": ("169.254.0.0/16",),
    "reserved": ("192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24", "240.0.0.0/4"),
    "a documentation example": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    "a 6to4 relay": ("192.88.99.0/24",),
    "for benchmarks": ("198.18.0.0/15",),
    "multicast": ("224.0.0.0/4",),
}
_IPV6 = {
    "reserved": ("2001::/23", "3ffe::/16"),  # protocol assignments, Teredo and ORCHID among them; the former 6bone
    "a documentation example": ("2001:db8::/32", "3fff::/20"),
    "a 6to4 address": ("2002::/16",),
}
_REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(block), why) for table in (_IPV4, _IPV6) for why, blocks in table.items() for block in blocks
)
_GLOBAL_IPV6 = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")  # the well-known prefix: all of IPv4 for a machine that has only IPv6
_ISATAP = (0x00005EFE, 0x02005EFE)  # third quarter of an address that carries an IPv4 one in its last
# they hand out credentials; the others of their kind are link-local, private or reserved already
_METADATA = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
)


class EgressRefused(OSError):
    """The guard does not dial ``address``.

    Every one reads the same: the dialler under aiohttp passes on the first of several equal errors as it is, and
    replaces errors that read differently by an ``OSError`` of its own.
    """

    def __init__(self, address: str, why: str) -> None:
        super().__init__(errno.EACCES, "not an address that feeds may be read from")
        self.address = address
        self.why = why


class EgressGuard:
    """``allow_networks`` are exceptions that the operator names: addresses or blocks such as "10.1.0.0/16".

    A cloud's metadata address stays refused inside an allowed block; only naming that very address allows it.
    Raises ``ValueError`` for a network that is none.
    """

    def __init__(self, allow_networks: Iterable[str] = ()) -> None:
        self._allowed: tuple[Network, ...] = tuple(ip_network(text, strict=False) for text in allow_networks)

    def refusal(self, address: str) -> str:
        """Why ``address`` (an IP literal, a scope is ignored) is not dialled; empty where it is."""
        try:
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return "not an IP address"
        return self._judge(ip)

    def socket(self, address_info: tuple[Any, ...]) -> socket.socket:
        """The ``socket_factory`` of a connector: sees every address that is dialled. Raises ``EgressRefused``."""
        family, kind, protocol, _, target = address_info
        why = self.refusal(str(target[0]))
        if why:
            raise EgressRefused(str(target[0]), why)
        return socket.socket(family=family, type=kind, proto=protocol)

    def _judge(self, ip: Address) -> str:
        embedded = _embedded(ip)
        if embedded is not None:
            return self._judge(embedded)
        if ip in _METADATA:
            exact = any(ip in network and network.num_addresses == 1 for network in self._allowed)
            return "" if exact else "a cloud's metadata service"
        if any(ip.version == network.version and ip in network for network in self._allowed):
            return ""
        for network, why in _REFUSED:
            if ip.version == network.version and ip in network:
                return why
        if isinstance(ip, IPv6Address):
            return _judge_ipv6(ip)
        return ""


def _embedded(ip: Address) -> IPv4Address | None:
    """The IPv4 address that a dial to ``ip`` really reaches."""
    if isinstance(ip, IPv4Address):
        return None
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None


def _judge_ipv6(ip: IPv6Address) -> str:
    if ip.is_loopback or ip.is_unspecified:
        return "this machine"
    if ip.is_multicast:
        return "multicast"
    if ip.is_link_local:
        return "link-local"
    if ip not in _GLOBAL_IPV6:
        return "not a public address"
    if (int(ip) >> 32) & 0xFFFFFFFF in _ISATAP:
        return "an ISATAP address"
    return ""
