"""Settings files: named Remotes, and every mistake with its line and field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import Limits, Proxy, Remote, Settings, Timeouts, changed, read_document
from twisted_pulp.settings._document import line_of

GOOD = """
[remotes.debian]
url = "https://deb.example/debian/"
username = "reader"

[remotes.debian.proxy]
url = "http://proxy.example:3128"

[remotes."with.dot"]
limits = { segments = 4 }
"""


def test_good() -> None:
    """Remotes are read by name."""
    settings, mistakes = read_document(GOOD)
    assert [] == mistakes
    proxy = Proxy(url="http://proxy.example:3128")
    expected = {
        "debian": Remote(url="https://deb.example/debian/", username="reader", proxy=proxy),
        "with.dot": Remote(limits=Limits(segments=4)),
    }
    assert Settings(remotes=expected) == settings


def test_empty() -> None:
    """Nothing said is nothing wrong."""
    assert (Settings(), []) == read_document("")


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("[remotes.a]\nurl = 3", 2, "remotes.a.url"),
        ("[remotes.a]\n\n# the URL\nurl = 'no url'", 4, "remotes.a.url"),
        ("[remotes.a.timeouts]\nidle = 5\nconnect = 0", 3, "remotes.a.timeouts.connect"),
        ("[remotes.a]\ntimeouts.connect = 0", 2, "remotes.a.timeouts.connect"),
        ("[remotes.a]\ntimeouts = { connect = 0 }", 2, "remotes.a.timeouts.connect"),
        ("[remotes]\na = 3", 2, "remotes.a"),
        ("remotes = 3", 1, "remotes"),
        ("[remotes.a]\nulr = 'http://h/'", 2, "remotes.a.ulr"),
        ("[remote.a]\nurl = 'http://h/'", 1, "remote"),
        ("[remotes.'a.b']\nurl = 3", 2, 'remotes."a.b".url'),
        ("[remotes.a.proxy]\nno_proxy = ['b']", 1, "remotes.a.proxy.url"),
        ("[remotes.a.proxy]\nurl = 'gopher://h'", 2, "remotes.a.proxy.url"),
        ("[remotes.a]\npassword = 'S3CR3T'", 2, "remotes.a.password"),
        ("[remotes.a]\nurl = 'http://h/'\ntoken = 3", 3, "remotes.a.token"),
        ("[remotes.a]\nuser_agent = '''\n[remotes.b]\nurl = 3\n'''\nurl = 4", 6, "remotes.a.url"),
        (
            "[remotes.a]\nurl = 'http://h/'\n[remotes.a.tls]\nmin_version = '1.3'\nmax_version = '1.2'",
            5,
            "remotes.a.tls.max_version",
        ),
        ("[remotes.a]\nurl = ", 2, "toml"),
        ("[remotes.a", 1, "toml"),
    ],
)
def test_mistake(text: str, line: int, field: str) -> None:
    """A mistake is named by its line and its field, and never shows a secret."""
    settings, mistakes = read_document(text)
    assert settings is None
    assert (line, field) in [(each.line, each.field) for each in mistakes]
    assert "S3CR3T" not in str(mistakes)


def test_all_mistakes() -> None:
    """All mistakes are found at once, in order of their lines."""
    text = "[remotes.a]\nurl = 3\nnetrc = 'yes'\n[remotes.b.limits]\nsegments = 0\nredirect = 3\n"
    _, mistakes = read_document(text)
    assert [2, 3, 5, 6] == [each.line for each in mistakes]
    assert [True] * 4 == [str(each).startswith(f"line {each.line}: remotes.") for each in mistakes]
    _, mistakes = read_document(text.replace("redirect = 3\n", ""))
    assert [2, 3, 5] == [each.line for each in mistakes]


def test_no_line() -> None:
    """What stands nowhere has no line."""
    assert line_of("a = 1", "remotes.b") is None


@given(st.text(max_size=100))
def test_any_text(text: str) -> None:
    """Whatever a file has, it is settings or mistakes."""
    settings, mistakes = read_document(text)
    assert (settings is None) == bool(mistakes)


# Changes


def test_changed() -> None:
    """Fields are changed by their names, those of parts too; mappings grow."""
    before = Remote(url="http://h/", headers={"A": "1"}, timeouts=Timeouts(idle=3))
    after = changed(
        before, {"timeouts.connect": 5, "headers": {"B": "2"}, "limits.max_size": "none", "tls.verify": False}
    )
    assert (3, 5, None, False) == (after.timeouts.idle, after.timeouts.connect, after.limits.max_size, after.tls.verify)
    assert ({"A": "1", "B": "2"}, "http://h/") == (dict(after.headers), after.url)


def test_new_part() -> None:
    """A part that was none is made."""
    proxy = changed(Remote(), {"proxy.url": "http://p:3128", "proxy.tls.verify": False}).proxy
    assert ("http://p:3128", False) == (proxy.url, proxy.tls.verify)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"tls.no_such": 1}, "tls.no_such"),
        ({"timeouts.idle": 0}, "timeouts.idle"),
        ({"timeouts.idle": "soon"}, "timeouts.idle"),
        ({"no_such": 1}, "no_such"),
        ({"tls": 1, "tls.verify": False}, "tls.verify"),
        ({"headers": {"A b": "c"}}, "headers"),
        ({"proxy.no_proxy": ["a"]}, "proxy.url"),
        ({"tls.options": 3}, "tls.options"),
    ],
)
def test_not_changed(fields: dict[str, object], name: str) -> None:
    """A mistake names the field."""
    with pytest.raises(SettingsError) as caught:
        changed(Remote(), fields)
    assert name == caught.value.field
