"""Settings as TOML and JSON: each mistake is named, and secrets are never written."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import TLS, Limits, Remote, Retry, Timeouts, read_settings, write_settings

FULL = Remote(
    url="https://h/d/",
    origins=("https://cdn/",),
    user_agent='quote " and é',
    tls=TLS(ca_cert=trustme.CA().cert_pem.bytes().decode(), pins=("cert-sha256/" + "0" * 64,), alpn=("http/1.1",)),
    timeouts=Timeouts(connect=None, total=3600.0, idle=0.5),
    limits=Limits(max_size=None, connections=4, redirects=0),
    retry=Retry(retries=0),
    allow_weak_digests=True,
    file_roots=("/srv/mirror",),
    file_mode="hardlink",
    policy="on_demand",
)


@pytest.mark.parametrize("format", ["toml", "json"])
@pytest.mark.parametrize("settings", [Remote(), FULL, Timeouts(headers=None), Limits(), Retry(base=0)])
def test_round_trip(settings: Any, format: Literal["toml", "json"]) -> None:
    """What is written reads as the same settings."""
    assert settings == read_settings(type(settings), write_settings(settings, format), format)


@pytest.mark.parametrize("format", ["toml", "json"])
def test_no_secrets(format: Literal["toml", "json"]) -> None:
    """User names, passwords and headers are not written."""
    remote = Remote(url="https://joe:hunter2@h/", headers={"X-Key": "s3cret"})
    text = write_settings(remote, format)
    assert not [secret for secret in (b"joe", b"hunter2", b"s3cret", b"X-Key") if secret in text]
    assert Remote(url="https://h/") == read_settings(Remote, text, format)


def test_toml() -> None:
    """A person can read and write it."""
    text = """
        url = "https://h/"
        [timeouts]
        connect = 5
        idle = "none"
        [limits]
        max_size = "none"
    """
    expected = Remote(url="https://h/", timeouts=Timeouts(connect=5, idle=None), limits=Limits(max_size=None))
    assert expected == read_settings(Remote, text)


def test_json_null() -> None:
    """JSON's null is None, like "none"."""
    assert Timeouts(idle=None) == read_settings(Timeouts, '{"idle": null}', "json")
    assert Timeouts(idle=None) == read_settings(Timeouts, b'{"idle": "none"}', "json")


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("url = 3", "url", "Expected `str | null`, got `int`"),
        ("typo = 3", "typo", "one of url, username"),
        ("secret_origins = []", "secret_origins", "one of url"),
        ("[timeouts]\nidle = 0", "timeouts.idle", "above 0"),
        ("[timeouts]\ntypo = 0", "timeouts.typo", "one of connect"),
        ("[timeouts]\nlow_speed_time = 'none'", "timeouts.low_speed_time", "Expected `float`"),
        ("timeouts = 3", "timeouts", "a table"),
        ("[tls]\nca_cert = '/missing'", "tls.ca_cert", "a file that can be read"),
        ("headers = 3", "headers", "Expected `object`"),
        ("[headers]\n'X-A' = \"a\\nb\"", "headers.X-A", "one line"),
        ("file_mode = 'move'", "file_mode", "one of copy, hardlink, symlink"),
        ("url = 'http://h:x'", "url", "a host and a port"),
        ("= 3", "toml", "valid TOML"),
    ],
)
def test_mistakes(text: str, field: str, words: str) -> None:
    """Each mistake is named by its field, with what is allowed there."""
    with pytest.raises(SettingsError) as caught:
        read_settings(Remote, text)
    assert field == caught.value.field
    assert words in caught.value.allowed


@pytest.mark.parametrize(
    "text", ["password = ['hunter2']", "username = {a = 'hunter2'}", "headers = 'hunter2'", "hunter = 'hunter2'"]
)
def test_mistakes_hide_secrets(text: str) -> None:
    """What may have been meant as a secret is not shown."""
    with pytest.raises(SettingsError) as caught:
        read_settings(Remote, text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"'])
def test_no_table(text: str) -> None:
    """Settings are a table."""
    with pytest.raises(SettingsError, match="a table"):
        read_settings(Remote, text, "json")


@pytest.mark.parametrize("format", ["toml", "json"])
@pytest.mark.parametrize("data", [b"\xff", b"\0", b"{", b"\xed\xa0\x80", b'"\\ud800"'])
def test_no_text(data: bytes, format: Literal["toml", "json"]) -> None:
    """Bytes that are neither are refused like any other mistake."""
    with pytest.raises(SettingsError):
        read_settings(Remote, data, format)


NAMES = ["url", "username", "password", "headers", "origins", "tls", "timeouts", "limits", "retry", "file_mode", "x"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["none", "http://h/"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_any_json(data: dict[str, Any]) -> None:
    """Whatever JSON holds makes a Remote or a SettingsError."""
    try:
        made = read_settings(Remote, json.dumps(data), "json")
    except SettingsError:
        return
    assert isinstance(made, Remote)


@given(st.binary() | st.text(), st.sampled_from(["toml", "json"]))
def test_any_text(text: bytes | str, format: Literal["toml", "json"]) -> None:
    """Whatever a file holds makes a Remote or a SettingsError."""
    try:
        made = read_settings(Remote, text, format)
    except SettingsError:
        return
    assert isinstance(made, Remote)


@given(st.dictionaries(st.sampled_from(NAMES), st.integers() | st.booleans() | st.text(st.characters(codec="ascii"))))
def test_any_toml(data: dict[str, Any]) -> None:
    """Whatever TOML holds makes a Remote or a SettingsError."""
    lines = [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in data.items()]
    try:
        made = read_settings(Remote, "\n".join(lines))
    except SettingsError:
        return
    assert isinstance(made, Remote)


@given(
    st.sampled_from(["idle", "total", "low_speed_time"]),
    st.sampled_from(
        ["nan", "inf", "-inf", "1979-05-27", "07:32:00", "[[1]]", "{}", "{a = 1}", "1e400", "0x10", "''", "-0.0"]
    ),
)
def test_odd_toml(name: str, value: str) -> None:
    """TOML's own kinds of values make Timeouts or a SettingsError."""
    try:
        made = read_settings(Timeouts, f"{name} = {value}")
    except SettingsError:
        return
    assert 0 < getattr(made, name)
