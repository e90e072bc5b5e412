"""Proxies as settings: checked when they are made, and whom they are not for."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_pulp.errors import SettingsError
from twisted_pulp.http._proxy_environment import proxies_of
from twisted_pulp.settings import Proxy, Remote, read_settings
from twisted_pulp.settings._no_proxy import NoProxy


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://proxy.test:3128", ("http", "proxy.test", 3128)),
        ("http://proxy.test", ("http", "proxy.test", 80)),
        ("HTTPS://Proxy.Test/", ("https", "proxy.test", 443)),
        ("socks5://[::1]", ("socks5", "::1", 1080)),
        ("socks5h://192.0.2.1:9050/", ("socks5h", "192.0.2.1", 9050)),
        ("http://pröxy.test:1", ("http", "xn--prxy-6qa.test", 1)),
    ],
)
def test_url(url: str, origin: tuple[str, str, int]) -> None:
    """A proxy's URL says how and where it is reached."""
    assert origin == Proxy(url=url).origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.test:3128",
        "ftp://proxy.test",
        "socks4://proxy.test",
        "http://",
        "http://proxy.test/path",
        "http://proxy.test?query",
        "http://proxy.test/#fragment",
        "http://proxy.test:0",
        "http://proxy.test:65536",
        "http://two words",
        3128,
    ],
)
def test_bad_url(url: Any) -> None:
    """What is no URL of a proxy is refused, by the name of its field."""
    with pytest.raises(SettingsError, match="http, https, socks5, socks5h") as raised:
        Proxy(url=url)
    assert "url" == raised.value.field
    with pytest.raises(SettingsError) as raised:
        read_settings(Remote, f'[proxy]\nurl = "{url}"\n')
    assert "proxy.url" == raised.value.field


def test_credentials() -> None:
    """They may stand in the URL, which then loses them, and are never shown."""
    proxy = Proxy(url="http://me:S3CR%3AT@proxy.test:3128")
    assert ("http://proxy.test:3128", "me", "S3CR:T") == (proxy.url, proxy.username, proxy.password)
    assert "me" == Proxy(url="http://other:x@proxy.test", username="me").username
    for shown in (repr(proxy), repr(Remote(proxy=proxy))):
        assert "S3CR" not in shown
        assert "me@" not in shown


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("password", {"url": "http://proxy.test", "password": "S3CR3T"}),
        ("username", {"url": "http://proxy.test", "username": "a:b", "password": "S3CR3T"}),
        ("password", {"url": "socks5://proxy.test", "username": "me"}),
        ("password", {"url": "socks5://me@proxy.test"}),
        ("password", {"url": "socks5h://proxy.test", "username": "me", "password": "S3CR3T" * 50}),
        ("password", {"url": "socks5h://proxy.test", "username": "me", "password": "S3CR3Tü"}),
        ("username", {"url": "socks5h://proxy.test", "username": "ü", "password": "S3CR3T"}),
        ("password", {"url": "http://proxy.test", "username": "me", "password": "S3CR3T\r\nX: y"}),
    ],
)
def test_bad_credentials(field: str, given: dict[str, Any]) -> None:
    """What the proxy's protocol cannot say is refused, without being shown."""
    with pytest.raises(SettingsError) as raised:
        Proxy(**given)
    assert field == raised.value.field
    assert "S3CR3T" not in str(raised.value)


def test_credentials_of_a_kind() -> None:
    """HTTP needs no password, and SOCKS minds no colon."""
    assert None is Proxy(url="http://proxy.test", username="me").password
    assert "a:b" == Proxy(url="socks5://proxy.test", username="a:b", password="x").username


# Whom they are not for

NO_PROXY = NoProxy(
    (
        "example.com",
        ".leading.test",
        "*.star.test",
        "with.port.test:8080",
        "192.0.2.1",
        "192.0.2.2:8080",
        "10.0.0.0/8",
        "198.51.100.0/24:80",
        "::1",
        "[2001:db8::1]:8080",
        "[2001:db8::2]",
        "fd00::/8",
        " Spaces.Test ",
        "bücher.test",
    )
)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("example.com", 80),
        ("example.com.", 443),
        ("a.b.example.com", 80),
        ("leading.test", 80),
        ("a.leading.test", 80),
        ("star.test", 80),
        ("a.star.test", 80),
        ("with.port.test", 8080),
        ("a.with.port.test", 8080),
        ("192.0.2.1", 1),
        ("192.0.2.2", 8080),
        ("10.255.0.1", 80),
        ("198.51.100.7", 80),
        ("::1", 80),
        ("0:0:0:0:0:0:0:1", 80),
        ("2001:db8::1", 8080),
        ("2001:db8::2", 80),
        ("fdff::1", 80),
        ("spaces.test", 80),
        ("xn--bcher-kva.test", 80),
    ],
)
def test_covered(host: str, port: int) -> None:
    """Names stand for what is below them, networks for what is in them, and a port for itself alone."""
    assert NO_PROXY.covers(host, port)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("notexample.com", 80),
        ("example.com.evil.test", 80),
        ("com", 80),
        ("with.port.test", 80),
        ("192.0.2.2", 80),
        ("192.0.2.3", 80),
        ("192.0.2.10", 80),
        ("11.0.0.1", 80),
        ("198.51.100.7", 81),
        ("::2", 80),
        ("2001:db8::1", 80),
        ("localhost", 80),
    ],
)
def test_not_covered(host: str, port: int) -> None:
    """Nothing else is."""
    assert not NO_PROXY.covers(host, port)


def test_all() -> None:
    """A star is for all, or for all of a port; nothing is for nobody."""
    assert NoProxy(["*"]).covers("a.test", 1)
    assert NoProxy(["*"]).covers("::1", 1)
    assert NoProxy(["*:80"]).covers("192.0.2.1", 80)
    assert not NoProxy(["*:80"]).covers("a.test", 81)
    assert not NoProxy([]).covers("a.test", 80)


@pytest.mark.parametrize(
    "entry",
    ["", "*.", "a b", "a,b", "a.test:0", "a.test:65536", "a.test:x", "a/b", "10.0.0.0/33", "http://a", "*a*", "[::1"],
)
def test_bad_entry(entry: str) -> None:
    """What is none of these is refused when the settings are made."""
    with pytest.raises(SettingsError) as raised:
        Proxy(url="http://proxy.test", no_proxy=(entry,))
    assert ("no_proxy", entry) == (raised.value.field, raised.value.value)


# The environment


def origins(**environ: str) -> dict[str, tuple[str, str, int]]:
    """Return where the proxies of an environment are."""
    return {scheme: proxy.origin for scheme, proxy in proxies_of(environ)[0].items()}


def test_each_scheme() -> None:
    """Each scheme has its own variable, and all_proxy is for those that have none."""
    http, https, both = ("http", "a.test", 1), ("socks5h", "b.test", 1080), ("https", "c.test", 443)
    assert {} == origins()
    assert {"http": http} == origins(http_proxy="http://a.test:1")
    assert {"https": https} == origins(https_proxy="socks5h://b.test")
    assert {"http": both, "https": https} == origins(https_proxy="socks5h://b.test", all_proxy="https://c.test")
    assert {"http": http} == origins(http_proxy="a.test:1")


def test_lower_case_first() -> None:
    """Lower case goes before upper case, even if it says that there is none."""
    assert {"http": ("http", "a.test", 80)} == origins(http_proxy="a.test", HTTP_PROXY="b.test")
    assert {"http": ("http", "b.test", 80)} == origins(HTTP_PROXY="b.test")
    assert {} == origins(http_proxy="", HTTP_PROXY="b.test")
    assert {"http": ("http", "c.test", 80), "https": ("http", "c.test", 80)} == origins(ALL_PROXY="c.test")


def test_cgi() -> None:
    """In a CGI program HTTP_PROXY is what a client says, and does not count; the others do."""
    assert {} == origins(HTTP_PROXY="evil.test", REQUEST_METHOD="GET")
    assert {"http": ("http", "a.test", 80)} == origins(http_proxy="a.test", HTTP_PROXY="x.test", REQUEST_METHOD="GET")
    assert {"https": ("http", "a.test", 80)} == origins(HTTPS_PROXY="a.test", REQUEST_METHOD="GET")


def test_no_proxy_of_the_environment() -> None:
    """no_proxy is separated by commas or spaces; what nobody can read in it is for other programs."""
    _, direct = proxies_of({"no_proxy": "a.test, <local>,.b.test 10.0.0.0/8,,127.*"})
    assert [True, True, True, False] == [
        direct.covers(host, 80) for host in ("a.test", "x.b.test", "10.1.2.3", "c.test")
    ]
    assert proxies_of({"NO_PROXY": "*"})[1].covers("a.test", 80)


def test_bad_environment() -> None:
    """A variable that says no proxy is named, without its secrets."""
    with pytest.raises(SettingsError, match="https_proxy") as raised:
        proxies_of({"https_proxy": "gopher://me:S3CR3T@a.test"})
    assert "S3CR3T" not in str(raised.value)
