"""Where Fireloom connects to for others, and where never."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.egress import Destination, EgressPolicy, address_refusal, check_url
from shared.domain.errors import EgressRefused

NOBODY = EgressPolicy()
DEVELOPER = EgressPolicy(loopback=frozenset({("127.0.0.1", 9000), ("localhost", 9001), ("::1", 9002)}))

REFUSED_ADDRESSES = {
    "0.0.0.0": "unspecified",  # noqa: S104 - refused
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "100.64.0.1": "shared",
    "100.100.100.200": "shared",  # Alibaba's metadata
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "metadata",  # Azure's
    "169.254.169.254": "metadata",
    "169.254.170.2": "metadata",  # container credentials
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "reserved",  # Oracle's metadata
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarking",
    "198.51.100.1": "documentation",
    "203.0.113.9": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::ffff:127.0.0.1": "IPv4",
    "::ffff:93.184.216.34": "IPv4",
    "::ffff:0:127.0.0.1": "no public",  # IPv4-translated
    "::127.0.0.1": "IPv4",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b:1::a00:1": "NAT64",
    "100::1": "no public",  # discard-only
    "2001::1": "special",  # Teredo
    "2001:2::1": "special",
    "2001:10::1": "special",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:a9fe:a9fe::1": "6to4",
    "2a00:1450:4001::5efe:a00:1": "IPv4",  # ISATAP
    "2a00:1450:4001:0:200:5efe:7f00:1": "IPv4",
    "3fff::1": "documentation",
    "5f00::1": "no public",  # segment routing
    "fc00::1": "private",
    "fd00:ec2::254": "private",  # Amazon's metadata
    "fd20:ce::254": "private",  # Google's metadata
    "fe80::1": "link-local",
    "fe80::1%eth0": "interface",
    "2a00:1450:4001::1%1": "interface",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "not an address": "no plain",
    "127.1": "no plain",
    "": "no plain",
}
PUBLIC_ADDRESSES = ["93.184.216.34", "8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"]


@pytest.mark.parametrize(("address", "word"), REFUSED_ADDRESSES.items())
def test_an_address_off_the_public_internet_is_refused_by_what_it_is(address: str, word: str) -> None:
    assert word in (address_refusal(address) or "")


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_may_be_reached(address: str) -> None:
    assert address_refusal(address) is None


@given(number=st.integers(0, 2**32 - 1))
@example(0x7F000001)
def test_no_ipv4_address_passes_that_the_standard_library_knows_as_special(number: int) -> None:
    ip = ipaddress.IPv4Address(number)

    special = not ip.is_global or ip.is_multicast or ip.is_reserved

    assert not special or address_refusal(str(ip)) is not None


@given(number=st.integers(0, 2**128 - 1))
def test_no_ipv6_address_passes_that_is_not_global_unicast(number: int) -> None:
    ip = ipaddress.IPv6Address(number)
    embedded = ip.ipv4_mapped or ip.sixtofour or ip.teredo

    special = not ip.is_global or ip.is_multicast or ip.is_reserved or embedded

    assert not special or address_refusal(str(ip)) is not None


@given(
    number=st.integers(0, 2**32 - 1),
    prefix=st.sampled_from(["::ffff:", "::", "64:ff9b::", "::ffff:0:", "2002:"]),
)
def test_no_ipv4_address_passes_inside_an_ipv6_address(number: int, prefix: str) -> None:
    high, low = number >> 16, number & 0xFFFF
    text = f"{prefix}{high:x}:{low:x}" + ("::" if prefix == "2002:" else "")

    assert address_refusal(text) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/a?b=c#d",
        "http://example.com:8080/",
        "https://xn--bcher-kva.example/",
        "https://bücher.example/",
        "https://a_b.example.com./",
        "https://93.184.216.34/",
        "https://[2606:4700::1111]:8443/x",
    ],
)
def test_a_public_url_passes(url: str) -> None:
    assert check_url(url, NOBODY).scheme in {"http", "https"}


REFUSED_URLS = {
    "": "must begin with",
    "example.com": "must begin with",
    "file:///etc/passwd": "must begin with",
    "gopher://example.com/": "must begin with",
    "ftp://example.com/": "must begin with",
    "javascript:alert(1)": "must begin with",
    "https://": "no host",
    "https:///path": "no host",
    "http://:80/": "no host",
    "https://user@example.com/": "user name",
    "https://user:pass@example.com/": "user name",
    "https://example.com@127.0.0.1/": "user name",
    "http://@example.com/": "user name",
    "http://127.0.0.1/": "loopback",
    "http://127.0.0.1:8080/": "loopback",
    "http://[::1]/": "loopback",
    "http://[::ffff:169.254.169.254]/": "IPv4",
    "http://[fe80::1%25eth0]/": "no plain IPv6",
    "http://[::1": "malformed",
    "http://[v1.a]/": "malformed",
    "http://169.254.169.254/latest/meta-data": "metadata",
    "http://2130706433/": "a number",
    "http://0x7f000001/": "a number",
    "http://0x7f.0.0.1/": "a number",
    "http://0177.0.0.1/": "a number",
    "http://127.1/": "a number",
    "http://127.0.1/": "a number",
    "http://0/": "a number",
    "http://127.0.0.1./": "a number",
    "http://1.2.3.4.5/": "a number",
    "http://256.1.1.1/": "a number",
    "http://①②⑦.⓪.⓪.①/": "loopback",
    "http://１２７.０.０.１/": "loopback",  # noqa: RUF001 - full-width digits
    "http://example.com:0/": "Port 0",
    "http://example.com:22/": "Port 22",
    "http://example.com:25/": "Port 25",
    "http://example.com:6379/": "Port 6379",
    "http://example.com:6667/": "Port 6667",
    "http://example.com:99999/": "malformed",
    "http://example.com:80a/": "malformed",
    "http://example.com\\@127.0.0.1/": "a character",
    "http://exa mple.com/": "a character",
    "http://example.com/\r\nHost: x": "a character",
    "http://example.com/\u202e": "a character",
    "http://exam\u200bple.com/": "a character",
    " http://example.com/": "a character",
    "http://-example.com/": "no valid name",
    "http://exam!ple.com/": "no valid name",
    "http://a..b/": "no valid name",
    f"http://{'a' * 64}.com/": "no valid name",
    f"http://{'a.' * 130}com/": "no valid name",
    f"http://example.com/{'a' * 9000}": "longer than",
}


@pytest.mark.parametrize(("url", "reason"), REFUSED_URLS.items())
def test_a_url_that_cannot_be_right_is_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(EgressRefused) as refused:
        check_url(url, NOBODY)

    assert reason in refused.value.message


@given(text=st.text(max_size=60), before=st.sampled_from(["", "http://", "https://", "http://[", "http://127.0.0.1"]))
def test_whatever_is_written_it_is_judged_without_a_crash(text: str, before: str) -> None:
    try:
        destination = check_url(before + text, NOBODY)
    except EgressRefused as refused:
        assert refused.message.isprintable()  # noqa: PT017 - either outcome is right
    else:
        assert destination.host.isascii()


@pytest.mark.parametrize(
    ("url", "passes"),
    [
        ("http://127.0.0.1:9000/", True),
        ("http://localhost:9001/", True),
        ("http://LOCALHOST.:9001/", True),
        ("http://[::1]:9002/", True),
        ("http://127.0.0.1:9001/", False),
        ("http://127.0.0.2:9000/", False),
        ("http://[::ffff:127.0.0.1]:9000/", False),
        ("http://10.0.0.1:9000/", False),
    ],
)
def test_a_developer_may_name_hosts_and_ports_of_the_own_machine(url: str, *, passes: bool) -> None:
    try:
        check_url(url, DEVELOPER)
    except EgressRefused:
        assert not passes
    else:
        assert passes


@pytest.mark.parametrize(
    ("destination", "addresses", "passes"),
    [
        (Destination("http", "localhost", 9001), ("127.0.0.1", "::1"), True),
        (Destination("http", "localhost", 9001), ("10.0.0.1",), False),
        (Destination("http", "localhost", 9001), ("93.184.216.34",), False),
        (Destination("http", "localhost", 80), ("127.0.0.1",), False),
        (Destination("http", "example.com", 80), ("93.184.216.34", "2606:4700::1111"), True),
        (Destination("http", "example.com", 80), ("93.184.216.34", "127.0.0.1"), False),
        (Destination("http", "example.com", 80), (), False),
    ],
)
def test_one_bad_address_spoils_a_name(destination: Destination, addresses: tuple[str, ...], *, passes: bool) -> None:
    try:
        assert DEVELOPER.check_addresses(destination, addresses) == addresses
    except EgressRefused:
        assert not passes
    else:
        assert passes
