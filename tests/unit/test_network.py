"""Settings of the network: a mistake is named before anything is connected to."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import Network, Proxy, Remote, read_settings, write_settings
from twisted_pulp.settings._addresses import canonical, server_of, version_of


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("192.0.2.1", 4),
        ("::1", 6),
        ("2001:db8::1", 6),
        ("fe80::1%eth0", 6),
        ("fe80::1%", None),
        ("192.0.2.1%eth0", None),
        ("192.0.2", None),
        ("192.0.2.256", None),
        ("0x7f000001", None),
        ("[::1]", None),
        ("a.test", None),
        ("", None),
        ("\0", None),
        (1, None),
        (None, None),
    ],
)
def test_version(text: Any, version: int | None) -> None:
    """Only addresses as they are written in full have a version."""
    assert version == version_of(text)


def test_canonical() -> None:
    """One address has one form."""
    assert ["2001:db8::1", "fe80::1%eth0", "192.0.2.1"] == [
        canonical(each) for each in ("2001:DB8:0::0001", "FE80::0:1%eth0", "192.0.2.1")
    ]


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:DB8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
        ("2001:db8::1:5353", ("2001:db8::1:5353", 53)),
        ("192.0.2.1:", None),
        ("192.0.2.1:0", None),
        ("192.0.2.1:65536", None),
        ("192.0.2.1:99999999999999", None),
        ("192.0.2.1:+53", None),
        ("192.0.2.1:٣", None),
        ("[192.0.2.1]", None),
        ("[192.0.2.1]:53", None),
        ("[2001:db8::1", None),
        ("2001:db8::1]:53", None),
        ("ns.test", None),
        ("", None),
        (53, None),
    ],
)
def test_server(text: Any, server: tuple[str, int] | None) -> None:
    """A name server is an address, perhaps with a port."""
    assert server == server_of(text)


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"hosts": {"a.test": "a.b.test"}}, "hosts.a.test", "an IPv4 or IPv6 address, or several"),
        ({"hosts": {"a.test": ("192.0.2.1", "")}}, "hosts.a.test", "an IPv4 or IPv6 address, or several"),
        ({"hosts": {"a.test": ()}}, "hosts.a.test", "an IPv4 or IPv6 address, or several"),
        ({"hosts": {"": "192.0.2.1"}}, "hosts.", "the name of a host"),
        ({"hosts": {"192.0.2.1": "192.0.2.2"}}, "hosts.192.0.2.1", "the name of a host"),
        ({"hosts": {"a.test:80": "192.0.2.2"}}, "hosts.a.test:80", "the name of a host"),
        ({"hosts": {"a/b": "192.0.2.2"}}, "hosts.a/b", "the name of a host"),
        ({"hosts": {"a b": "192.0.2.2"}}, "hosts.a b", "the name of a host"),
        ({"dns_servers": "ns.test"}, "dns_servers", "perhaps with :PORT"),
        ({"dns_servers": ("192.0.2.1", "192.0.2.2:0")}, "dns_servers", "perhaps with :PORT"),
        ({"dns_cache": 1}, "dns_cache", "true or false"),
        ({"dns_ttl_min": -1}, "dns_ttl_min", "a number from 0"),
        ({"dns_ttl_min": 10, "dns_ttl_max": 9}, "dns_ttl_max", "at least dns_ttl_min, 10"),
        ({"family": "ipv5"}, "family", "any, ipv4 or ipv6"),
        ({"bind_address": "eth0"}, "bind_address", "an IPv4 or IPv6 address"),
        ({"bind_address": "192.0.2.1", "family": "ipv6"}, "bind_address", "an address of the family, ipv6"),
        ({"family": "ipv6", "hosts": {"a.test": "192.0.2.1"}}, "hosts.a.test", "IPv6 address too, as family asks"),
        ({"bind_address": "::1", "hosts": {"a": "192.0.2.1"}}, "hosts.a", "IPv6 address too, as bind_address asks"),
        ({"unix_socket": "run/socket"}, "unix_socket", "an absolute path"),
        ({"unix_socket": "/" + "a" * 107}, "unix_socket", "bytes at most"),
        ({"unix_socket": "/s", "bind_address": "192.0.2.1"}, "bind_address", "left out"),
        ({"unix_socket": "/s", "hosts": {"a": "192.0.2.1"}}, "hosts", "left out"),
        ({"unix_socket": "/s", "dns_servers": "192.0.2.1"}, "dns_servers", "left out"),
        ({"unix_socket": "/s", "family": "ipv4"}, "family", "left out"),
    ],
)
def test_mistakes(settings: dict[str, Any], field: str, words: str) -> None:
    """Each mistake is named by its field, with what it may be."""
    with pytest.raises(SettingsError) as caught:
        Network(**settings)
    assert field == caught.value.field
    assert words in caught.value.allowed


@pytest.mark.parametrize("given", [{"proxy": Proxy(url="http://p.test:3128")}, {"proxy_from_environment": True}])
def test_proxy_and_socket(given: dict[str, Any]) -> None:
    """All connections go to the socket: there is no way to a proxy."""
    with pytest.raises(SettingsError, match=r"left out where there is a network\.unix_socket") as caught:
        Remote(network=Network(unix_socket="/s"), **given)
    assert [caught.value.field] == list(given)


def test_mistake_in_a_file() -> None:
    """In a file too."""
    with pytest.raises(SettingsError) as caught:
        read_settings(Remote, "[network.hosts]\n'a.test' = ['nonsense']")
    assert "network.hosts.a.test" == caught.value.field


def test_names_as_in_urls() -> None:
    """Names are kept as URLs have them, and addresses in their shortest form."""
    network = Network(hosts={"A.Test.": "2001:DB8::0:1", "bücher.test": ["192.0.2.1"]})
    assert {"a.test": ("2001:db8::1",), "xn--bcher-kva.test": ("192.0.2.1",)} == network.hosts


def test_round_trip() -> None:
    """What is written reads as the same settings."""
    network = Network(
        hosts={"a.test": ("192.0.2.1", "::1")}, dns_servers=("192.0.2.1:54", "[::1]:5"), bind_address="192.0.2.9"
    )
    assert Remote(network=network) == read_settings(Remote, write_settings(Remote(network=network)))


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ({}, None),
        ({"family": "ipv4"}, 4),
        ({"family": "ipv6"}, 6),
        ({"bind_address": "192.0.2.1"}, 4),
        ({"bind_address": "::1"}, 6),
        ({"bind_address": "::1", "family": "ipv6", "hosts": {"a": ("192.0.2.1", "::1")}}, 6),
    ],
)
def test_only_version(settings: dict[str, Any], version: int | None) -> None:
    """Which version of IP is left follows from the family and from our own end."""
    assert version == Network(**settings).version


def test_name_servers() -> None:
    """Name servers are read once, with their ports."""
    assert (("192.0.2.1", 53), ("::1", 5)) == Network(dns_servers=("192.0.2.1", "[::1]:5")).name_servers


def test_hash() -> None:
    """Equal settings are one key of a dictionary, and others are not."""
    ways = [Network(hosts={"a": address}) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")]
    assert 2 == len(set(ways))
    assert hash(ways[0]) == hash(evolve(ways[0]))


def test_repr() -> None:
    """Nothing here is secret."""
    assert "bind_address='192.0.2.1'" in repr(Network(bind_address="192.0.2.1"))
