"""URLs: ASCII on the wire, one line, as they were given."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.errors import SettingsError
from twisted_pulp.urls import join, origin_of, prepared, without_userinfo


@pytest.mark.parametrize(
    "url",
    [
        "http://h/",
        "http://h",
        "HTTP://Host:8080/a%2Fb%20c?x=%41&y=[1]",
        "https://[::1]:443/x",
        "http://[fe80::1%25eth0]/x",
        "http://h/signed?X-Amz-Signature=a%2Bb%3D%3D&Expires=1",
        "http://h/a;b=c,d!$&'()*+~@:",
        "file:///srv/a%20b",
        "http://joe:pw@h/",
    ],
)
def test_as_given(url: str) -> None:
    """What can be sent is sent as it was given: encoding it again would break signed URLs."""
    assert url == prepared(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/a b", "http://h/a%20b"),
        ("http://h/café?q=ü", "http://h/caf%C3%A9?q=%C3%BC"),
        ("http://h/a#fragment", "http://h/a"),
        ("http://h#fragment", "http://h"),
        (" http://h/ ", "http://h/"),
        ('http://h/<>"{}|\\^`', "http://h/%3C%3E%22%7B%7D%7C%5C%5E%60"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://bücher.example:8080/", "http://xn--bcher-kva.example:8080/"),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
        ("file:///srv/a b", "file:///srv/a%20b"),
    ],
)
def test_encoded(url: str, expected: str) -> None:
    """What cannot be sent as it stands is encoded, and a fragment is never sent."""
    assert expected == prepared(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h/x",
        "/x",
        "http:/h/x",
        "http:h",
        "://h",
        "http://",
        "http:///x",
        "http://h/a\r\nX: y",
        "http://h/a\nb",
        "http://h/\t",
        "http://h/\0",
        "http://h\x7f/",
        "http://h:x/",
        "http://h:123456/",
        "http://h h/",
        "http://h%20h/",
        "http://h:1:2/",
        "http://[::1/",
        "http://::1/",
        "http://a,b/",
        "http://joe@/x",
        "http://\u2024\u2024/",
        "http://a\u3002\u3002b/",
        "1http://h/",
    ],
)
def test_refused(url: str) -> None:
    """What names no host, or would add a line to a request, is refused."""
    with pytest.raises(SettingsError) as caught:
        prepared(url)
    assert "url" == caught.value.field


@pytest.mark.parametrize("check", [prepared, origin_of, lambda url: join("http://h/", url)])
def test_refused_without_secrets(check: object) -> None:
    """The words about a bad URL hold no password."""
    assert callable(check)
    with pytest.raises(SettingsError) as caught:
        check("http://joe:hunter2@bad host:x/?k=hunter2")
    assert "hunter2" not in str(caught.value)


ANY = st.text(max_size=40) | st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https", "file", "HTTP", "ftp", "x-y"]),
    st.sampled_from(["", "h", "joe:pw@", "[::1]", "bücher", "h:80", "h:", "\u3002"]) | st.text(max_size=5),
    st.sampled_from(["", "/", "?", ":8080/", "/.."]),
    st.text(max_size=20),
)


@given(ANY)
def test_prepared(url: str) -> None:
    """What goes on the wire is one line of ASCII without spaces, and to prepare it again changes nothing."""
    try:
        made = prepared(url)
    except SettingsError:
        return
    assert made.partition("://")[2].rpartition("@")[2].isascii()
    assert "#" not in made.rpartition("@")[2]
    assert not re.search(r"[\x00-\x20\x7f]", made.rpartition("@")[2])
    assert not re.search(r"[\r\n\0]", made)
    assert made == prepared(made)


@given(ANY)
def test_source_is_ascii(url: str) -> None:
    """Without user name and password, what is left is ASCII and has an origin."""
    try:
        made = without_userinfo(prepared(url))[0]
    except SettingsError:
        return
    assert made.isascii()
    assert not re.search(r"[\x00-\x20\x7f]", made)


@given(ANY, ANY)
def test_joined(base: str, reference: str) -> None:
    """Whatever a server redirects to, the result is a URL that adds no line, or is refused."""
    try:
        made = join(base, reference)
    except SettingsError:
        return
    assert not re.search(r"[\r\n\0]", made)
    assert made == prepared(made)


@given(ANY)
def test_origin(url: str) -> None:
    """Every URL has an origin, the same with and without its user name, or is refused."""
    try:
        scheme, host, port = origin_of(url)
    except SettingsError:
        return
    assert (scheme.lower(), host.lower()) == (scheme, host)
    assert 0 <= port <= 65535
    bare, _ = without_userinfo(url)
    assert (scheme, host, port) == origin_of(bare)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://h/x", ("http", "h", 80)),
        ("HTTPS://H", ("https", "h", 443)),
        ("http://h:/x", ("http", "h", 80)),
        ("http://h:8080?x", ("http", "h", 8080)),
        ("http://joe:pw@h", ("http", "h", 80)),
        ("http://joe@evil@h", ("http", "h", 80)),
        ("http://[::1]:8080/", ("http", "::1", 8080)),
        ("ftp://h/", ("ftp", "h", 21)),
        ("s3://bucket/key", ("s3", "bucket", 0)),
        ("file:///srv", ("file", "", 0)),
        ("file://HOST/srv", ("file", "host", 0)),
        ("http://bücher.example", ("http", "xn--bcher-kva.example", 80)),
    ],
)
def test_origins(url: str, origin: tuple[str, str, int]) -> None:
    """An origin is scheme, host and port, with the scheme's own port where none is given."""
    assert origin == origin_of(url)


@pytest.mark.parametrize("url", ["http://h:65536/", "http://h h/", "http://", "nonsense"])
def test_no_origin(url: str) -> None:
    """What cannot be reached has no origin."""
    with pytest.raises(SettingsError):
        origin_of(url)


@pytest.mark.parametrize(
    ("url", "bare", "pair"),
    [
        ("http://h/a@b", "http://h/a@b", None),
        ("http://joe:pw@h/x?y", "http://h/x?y", ("joe", "pw")),
        ("http://joe@h", "http://h", ("joe", "")),
        ("http://j%40e:p%3aw%ff@h", "http://h", ("j@e", "p:w\ufffd")),
        ("http://a@b:c@h", "http://h", ("a@b", "c")),
        ("http://:@h", "http://h", ("", "")),
    ],
)
def test_without_userinfo(url: str, bare: str, pair: tuple[str, str] | None) -> None:
    """User name and password are taken out, decoded."""
    assert (bare, pair) == without_userinfo(url)


@pytest.mark.parametrize(
    ("base", "reference", "expected"),
    [
        ("http://h/a/b", "c", "http://h/a/c"),
        ("http://h/a/b", "/c", "http://h/c"),
        ("http://h/a/b", "//other/c", "http://other/c"),
        ("http://h/a/b", "../c", "http://h/c"),
        ("http://h/a/b", "../../../c", "http://h/c"),
        ("http://h/a/b?x", "?y", "http://h/a/b?y"),
        ("http://h/a/b", "", "http://h/a/b"),
        ("http://h/a/b", "c d%2fé#f", "http://h/a/c%20d%2f%C3%A9"),
        ("http://h/a/b", "https://other/c", "https://other/c"),
    ],
)
def test_join(base: str, reference: str, expected: str) -> None:
    """A reference is resolved as a browser would, and encoded."""
    assert expected == join(base, reference)


@pytest.mark.parametrize("reference", ["http://[bad/", "http://h:x/", "mailto:a@b", "http://\u2100/"])
def test_bad_reference(reference: str) -> None:
    """A reference that leads nowhere is refused."""
    with pytest.raises(SettingsError):
        join("http://h/", reference)
