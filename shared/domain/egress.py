"""Where Fireloom may connect to on somebody else's word: the public internet, and nothing that is near to it.

Addresses are judged after resolution, by what they are and not by how they were written. Whole ranges that carry an
IPv4 address inside an IPv6 one are refused, since what they lead to is decided elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from shared.domain.errors import EgressRefused

MAX_URL_CHARACTERS = 8192
_SCHEMES = {"http": 80, "https": 443}
_FIRST_UNPRIVILEGED = 1024

# Source: https://www.iana.org/assignments/iana-ipv4-special-registry and the multicast and reserved blocks.
_REFUSED_V4 = tuple(
    (ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a shared address of a provider"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a metadata address"),  # Azure's, in a public block
        ("169.254.0.0/16", "a link-local or metadata address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)
# Outside 2000::/3 nothing is global unicast, which leaves the exceptions inside it.
# Source: https://www.iana.org/assignments/iana-ipv6-special-registry
_GLOBAL_V6 = ip_network("2000::/3")
_REFUSED_V6 = tuple(
    (ip_network(network), what)
    for network, what in (
        ("2001::/23", "a Teredo, benchmarking or other special address"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", "a documentation address"),
    )
)
_NAMED_V6: tuple[tuple[IPv6Network, str], ...] = (
    (IPv6Network("::/128"), "an unspecified address"),
    (IPv6Network("::1/128"), "a loopback address"),
    (IPv6Network("::ffff:0:0/96"), "an IPv4 address in IPv6"),
    (IPv6Network("::/96"), "an IPv4 address in IPv6"),
    (IPv6Network("64:ff9b::/96"), "a NAT64 address"),
    (IPv6Network("64:ff9b:1::/48"), "a NAT64 address"),
    (IPv6Network("fc00::/7"), "a private address"),
    (IPv6Network("fe80::/10"), "a link-local address"),
    (IPv6Network("fec0::/10"), "a site-local address"),
    (IPv6Network("ff00::/8"), "a multicast address"),
)
_ISATAP = re.compile(r"0[02]00:5efe:[0-9a-f]{4}:[0-9a-f]{4}\Z")

# Services that a browser refuses to talk to, so that no request of theirs can be mistaken for another protocol.
# Source: https://fetch.spec.whatwg.org/#port-blocking (those from 1024 on; of the lower ones only 80 and 443 pass)
_REFUSED_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
)
# Databases and brokers that obey text they do not fully understand.
_REFUSED_SERVICES = frozenset({2375, 2376, 2379, 2380, 3306, 5432, 5672, 6379, 6380, 9200, 9300, 10250, 11211, 27017})
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_NUMERIC_LABEL = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request goes, as its URL says.

    Args:
        scheme: in lower case.
        host: a name or an address, as the HTTP client took it from the URL, without brackets.
        port: the port.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, scheme: str, host: str, port: int | None) -> Destination:
        """The destination, at the scheme's own port where none is given."""
        return cls(scheme, host, _SCHEMES.get(scheme, 0) if port is None else port)

    @property
    def name(self) -> str:
        """The host in the form in which names are compared."""
        return self.host.lower().removesuffix(".")


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be reached besides the public internet.

    Args:
        loopback: pairs of host and port that may lead to a loopback address, for tests and development.
    """

    loopback: frozenset[tuple[str, int]] = frozenset()

    def check_destination(self, destination: Destination) -> None:
        """Refuse what no address could make right.

        Raises:
            EgressRefused: the scheme, the host's form or the port.
        """
        if destination.scheme not in _SCHEMES:
            raise EgressRefused(f"Only http and https addresses can be reached, not {destination.scheme[:20]!a}.")
        _check_host(destination.host)
        if not self.admits_loopback(destination):
            _check_port(destination)

    def check_addresses(self, destination: Destination, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """The addresses to connect to, all of them good: one bad one among them spoils the name.

        Raises:
            EgressRefused: one of them may not be reached.
        """
        if not addresses:
            raise EgressRefused(f"{_shown(destination.host)} has no address.")
        named = self.admits_loopback(destination)
        for address in addresses:
            what = _loopback_refusal(address) if named else address_refusal(address)
            if what is not None:
                raise EgressRefused(f"{_shown(destination.host)} may not be reached: it is or leads to {what}.")
        return addresses

    def admits_loopback(self, destination: Destination) -> bool:
        """Whether this destination is one of the exceptions."""
        return (destination.name, destination.port) in self.loopback


def check_url(url: str, policy: EgressPolicy) -> Destination:
    """The destination of a URL that somebody wrote, judged as far as it can be without resolving.

    Raises:
        EgressRefused: it is malformed, carries credentials, or can lead to nothing that may be reached.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise EgressRefused(f"The address is longer than {MAX_URL_CHARACTERS:,} characters.")
    if _UNPRINTABLE.search(url):
        raise EgressRefused("The address has a character that addresses do not have, such as a space or a backslash.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("ascii" if parts.netloc.isascii() else "idna").decode()
    except ValueError as error:  # also a UnicodeError
        raise EgressRefused("The address is malformed.") from error
    if parts.scheme not in _SCHEMES:
        raise EgressRefused("The address must begin with https:// or http://.")
    if "@" in parts.netloc:
        raise EgressRefused("The address must not carry a user name or password.")
    if "[" in parts.netloc and ":" not in host:
        raise EgressRefused("The address is malformed.")
    destination = Destination.of(parts.scheme, host, port)
    policy.check_destination(destination)
    if (literal := _literal(destination.host)) is not None:
        policy.check_addresses(destination, (str(literal),))
    return destination


def address_refusal(address: str) -> str | None:
    """What an address is, if it may not be reached; None for a public one."""
    ip = _literal(address)
    if ip is None:
        return "no plain address"
    if isinstance(ip, IPv4Address):
        return next((what for network, what in _REFUSED_V4 if ip in network), None)
    if ip.scope_id is not None:
        return "an address of one network interface"
    if ip not in _GLOBAL_V6:
        return next((what for network, what in _NAMED_V6 if ip in network), "no public address")
    if _ISATAP.search(ip.exploded):
        return "an IPv4 address in IPv6"
    return next((what for network, what in _REFUSED_V6 if ip in network), None)


def check_chosen(destination: Destination, hosts: tuple[str, ...]) -> None:
    """Refuse a destination that is none of the chosen hosts; `*.example.com` stands for every name below it.

    Raises:
        EgressRefused: it is none of them.
    """
    for host in hosts:
        name = host.lower().removesuffix(".")
        if destination.name == name or (name.startswith("*.") and destination.name.endswith(name[1:])):
            return
    raise EgressRefused(f"{_shown(destination.host)} is not among the hosts that this tool may reach.")


def _loopback_refusal(address: str) -> str | None:
    ip = _literal(address)
    return None if ip is not None and ip.is_loopback else "an address other than this machine's own"


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _check_host(host: str) -> None:
    """Refuse a host that resolvers might read in another way than people do."""
    if not host:
        raise EgressRefused("The address has no host.")
    if ":" in host:
        ip = _literal(host)
        if ip is None or (isinstance(ip, IPv6Address) and ip.scope_id is not None):
            raise EgressRefused("The host is no plain IPv6 address.")
        return
    labels = host.removesuffix(".").split(".")
    if _NUMERIC_LABEL.match(labels[-1]):
        # 2130706433, 0x7f.1, 0177.0.0.1 and 127.1 are all 127.0.0.1 to the C library.
        if _literal(host) is None:
            raise EgressRefused("The host is a number, but not a plain IPv4 address such as 93.184.216.34.")
    elif len(host) > 253 or not all(_LABEL.match(label) for label in labels):  # noqa: PLR2004 - DNS's own limit
        raise EgressRefused("The host is no valid name.")


def _check_port(destination: Destination) -> None:
    port = destination.port
    if port in _SCHEMES.values():
        return
    if port < _FIRST_UNPRIVILEGED or port in _REFUSED_PORTS or port in _REFUSED_SERVICES:
        raise EgressRefused(f"Port {port} may not be reached; use 80, 443, or one above 1023 that serves HTTP.")


def _shown(host: str) -> str:
    return ascii(host[:100])
