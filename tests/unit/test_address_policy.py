"""Where the URLs of people who are not trusted may lead."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from tests.spellings import NETWORKS, PRIVATE, PUBLIC
from twisted_pulp.errors import BlockedAddress, SettingsError
from twisted_pulp.settings import AddressPolicy, Network, Proxy, Remote, read_document

POLICY = AddressPolicy()


def test_many() -> None:
    """There are many spellings of what must not be reached."""
    assert 150 <= len(set(PRIVATE))


def test_private() -> None:
    """A URL of an address that is not public is refused as it stands, however it is written."""
    errors = {url: POLICY.literal(url) for url in PRIVATE}
    assert [] == [url for url, error in errors.items() if not isinstance(error, BlockedAddress) or error.retryable]


@pytest.mark.parametrize("url", PUBLIC)
def test_public(url: str) -> None:
    """Public hosts are not refused."""
    assert POLICY.literal(url) is None


@pytest.mark.parametrize("network", NETWORKS)
def test_networks(network: str) -> None:
    """The first and the last address of each network that is not public are refused."""
    from ipaddress import ip_network

    whole = ip_network(network)
    for address in (whole[0], whole[-1]):
        assert f"the policy blocks the address {address}" == POLICY.blocked(str(address), 443)


def test_no_secret_is_told() -> None:
    """The error names the URL without its secrets."""
    error = POLICY.literal("http://user:S3CR3T@127.0.0.1/?key=S3CR3T")
    assert "the policy blocks the address 127.0.0.1 (http://***@127.0.0.1/?key=***)" == str(error)


# What an operator says


@pytest.mark.parametrize(
    "url",
    [
        "http://10.1.2.3/",
        "http://0x0a010203/",
        "http://[::ffff:10.1.2.3]:9999/",
        "http://10.1.2.3:54321/",
        "http://[fd00::7]/",
        "http://localhost/",
    ],
)
def test_allow(url: str) -> None:
    """What is in `allow` may be reached, at any port, however it is written."""
    assert AddressPolicy(allow=["10.1.0.0/16", "fd00::/8", "127.0.0.1"]).literal(url) is None


@pytest.mark.parametrize("url", ["http://10.2.0.1/", "http://[fe80::1]/", "http://[64:ff9b::10.1.2.3]/"])
def test_allow_nothing_else(url: str) -> None:
    """What is not in it is refused still: so is an address of somebody else's network behind NAT64."""
    assert AddressPolicy(allow=["10.1.0.0/16", "fd00::/8"]).literal(url) is not None


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8/", "http://134744072/", "http://[::ffff:8.8.8.8]/", "http://[64:ff9b::808:808]/"]
)
def test_deny(url: str) -> None:
    """What is in `deny` is refused, however it is written, even where `allow` has it."""
    assert AddressPolicy(allow=["8.8.0.0/16"], deny=["8.8.8.0/24"]).literal(url) is not None


@pytest.mark.parametrize(("port", "fine"), [(80, 1), (443, 1), (8080, 1), (8443, 1), (81, 0), (1024, 0), (22, 0)])
def test_ports(port: int, fine: int) -> None:
    """Without a word of the operator only the ports of web servers may be reached."""
    assert bool(fine) == (POLICY.literal(f"http://a.example:{port}/") is None)
    assert bool(fine) == (POLICY.blocked("8.8.8.8", port) is None)


@pytest.mark.parametrize(
    ("port", "fine"), [(80, 0), (1023, 0), (1024, 1), (65535, 1), (6379, 0), (5432, 0), (11211, 0), (5672, 1), (25, 0)]
)
def test_more_ports(port: int, fine: int) -> None:
    """A range does not cover other services; to name the port of one does."""
    policy = AddressPolicy(ports=["1024-65535", 5672])
    assert bool(fine) == (policy.literal(f"http://a.example:{port}/") is None)
    assert bool(fine) == (policy.blocked("8.8.8.8", port) is None)


@pytest.mark.parametrize("port", [22, 25, 5432, 5672, 6379, 11211])
def test_ports_of_what_is_allowed(port: int) -> None:
    """Other services are not reached in allowed networks either."""
    assert f"the policy does not allow port {port}" == AddressPolicy(allow=["10.0.0.0/8"]).blocked("10.0.0.1", port)


def test_port_of_a_name_that_may_be_allowed() -> None:
    """Where networks are allowed, a name's addresses decide about its port."""
    policy = AddressPolicy(allow=["10.0.0.0/8"])
    assert policy.literal("http://a.example:54321/") is None
    assert "the policy does not allow port 54321" == policy.blocked("8.8.8.8", 54321)


@pytest.mark.parametrize(
    ("address", "port", "here", "fine"),
    [
        ("10.0.0.1", 8080, False, False),
        ("::ffff:10.0.0.1", 8080, False, False),
        ("10.0.0.1", 8081, False, True),
        ("10.0.0.2", 8080, False, True),
        ("fd00::1", 8080, False, False),
        ("10.0.0.2", 9000, False, False),
        ("8.8.8.8", 8443, False, True),
        ("8.8.8.8", 8443, True, False),
    ],
)
def test_own(address: str, port: int, here: bool, fine: bool) -> None:
    """What the program itself listens at is never reached."""
    own = ["10.0.0.1:8080", "[fd00::1]:8080", "*:9000", "*:8443"]
    policy = AddressPolicy(allow=["10.0.0.0/8", "fd00::/8"], own=own)
    assert fine == (policy.blocked(address, port, here=here) is None)


def test_no_address() -> None:
    """What is no address is refused where one is asked about."""
    assert "a.example is no address" == POLICY.blocked("a.example", 80)


# Proxies and name servers


def test_proxies() -> None:
    """Only proxies that the operator names are trusted, by scheme, host and port."""
    policy = AddressPolicy(proxies=["http://user:S3CR3T@10.0.0.1:3128"])
    assert policy.trusts_proxy(("http", "10.0.0.1", 3128))
    assert not policy.trusts_proxy(("http", "10.0.0.1", 3129))
    assert not policy.trusts_proxy(("https", "10.0.0.1", 3128))
    assert "S3CR3T" not in repr(policy)


@pytest.mark.parametrize(
    ("server", "fine"), [(("8.8.8.8", 53), 1), (("8.8.8.8", 54), 0), (("10.0.0.1", 53), 0), (("10.0.0.2", 5353), 1)]
)
def test_name_servers(server: tuple[str, int], fine: int) -> None:
    """Public name servers may be asked, and those that the operator names."""
    policy = AddressPolicy(dns_servers=["10.0.0.2:5353"])
    assert bool(fine) == (policy.name_server_blocked(*server) is None)


def test_trusting() -> None:
    """The proxies and name servers of the operator's Remotes are trusted, those of guarded ones are not."""
    remote = Remote(proxy=Proxy(url="http://10.0.0.1:3128"), network=Network(dns_servers=["10.0.0.53"]))
    other = Remote(proxy=Proxy(url="http://10.0.0.2:3128"), network=Network(dns_servers=["10.0.0.54"], guarded=True))
    policy = AddressPolicy(deny=["9.9.9.9"]).trusting([remote, other, Remote()])
    expected = AddressPolicy(deny=["9.9.9.9"], proxies=["http://10.0.0.1:3128"], dns_servers=["10.0.0.53"])
    assert expected == policy


# Mistakes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allow", ["10.0.0.0/33"]),
        ("allow", ["10.0.0.1/8"]),
        ("allow", ["a.example"]),
        ("deny", [""]),
        ("deny", [7]),
        ("ports", [0]),
        ("ports", [65536]),
        ("ports", ["80-79"]),
        ("ports", ["http"]),
        ("ports", [True]),
        ("ports", ["0-10"]),
        ("proxies", ["ftp://a.example"]),
        ("dns_servers", ["ns.example"]),
        ("own", ["8080"]),
        ("own", ["a.example:80"]),
        ("own", ["10.0.0.1:0"]),
        ("own", ["10.0.0.1:x"]),
        ("proxy_resolves", "yes"),
    ],
)
def test_mistakes(field: str, value: Any) -> None:
    """What cannot be honoured is refused, by its name."""
    with pytest.raises(SettingsError) as caught:
        AddressPolicy(**{field: value})
    assert field == caught.value.field


def test_document() -> None:
    """A settings file has a table for it."""
    text = '[ssrf]\nallow = ["10.0.0.0/8"]\ndeny = ["10.1.0.0/16"]\nports = [443, "8000-8999"]\nproxy_resolves = true\n'
    settings, mistakes = read_document(text)
    assert [] == mistakes
    assert settings is not None
    expected = AddressPolicy(allow=["10.0.0.0/8"], deny=["10.1.0.0/16"], ports=[443, "8000-8999"], proxy_resolves=True)
    assert expected == settings.ssrf


def test_document_mistake() -> None:
    """A mistake in it is told with its line."""
    settings, (mistake,) = read_document('[ssrf]\nallow = ["10.0.0.0/8"]\ndeny = ["10.0.0.0/40"]\n')
    assert settings is None
    assert (3, "ssrf.deny") == (mistake.line, mistake.field)


def test_value() -> None:
    """Equal policies are one key."""
    assert 1 == len({AddressPolicy(), AddressPolicy(), evolve(AddressPolicy())})
    assert AddressPolicy() != AddressPolicy(allow="10.0.0.0/8")
