"""Settings: checked when they are made, and silent about secrets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from tests.servers.tls import Authority
from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import TLS, Limits, Remote, Retry, Timeouts

OPTIONAL = ["connect", "dns", "tcp", "tls", "headers", "idle", "low_speed", "total", "hook"]


def refused(kind: type, **fields: Any) -> SettingsError:
    """Return the error of making *kind* with *fields*."""
    with pytest.raises(SettingsError) as caught:
        kind(**fields)
    return caught.value


def test_defaults() -> None:
    """The defaults are the documented ones."""
    assert (15.0, None, None, None, 60.0, 60.0, 1024.0, 30.0, None, 30.0) == attrs.astuple(Timeouts())
    assert (None, 16 << 30, 64 << 20, 20, None, None, None, None, True, 1, 8 << 20) == attrs.astuple(Limits())
    assert (3, 1.0, 2.0, 120.0, 300.0) == attrs.astuple(Retry())
    remote = Remote()
    assert (None, None, None, {}, (), None) == (
        remote.url,
        remote.username,
        remote.password,
        remote.headers,
        remote.origins,
        remote.user_agent,
    )
    assert ("immediate", False, False, (), "copy") == (
        remote.policy,
        remote.allow_weak_digests,
        remote.allow_unproven,
        remote.file_roots,
        remote.file_mode,
    )


@pytest.mark.parametrize("name", OPTIONAL)
def test_no_timeout(name: str) -> None:
    """None is no limit, for every timeout there is."""
    assert None is getattr(Timeouts(**{name: None}), name)


@pytest.mark.parametrize("name", [*OPTIONAL, "low_speed_time"])
@pytest.mark.parametrize("value", [0, 0.0, -1, math.nan, "1", True])
def test_bad_timeout(name: str, value: Any) -> None:
    """0 is no timeout, and neither is what is no number."""
    assert name == refused(Timeouts, **{name: value}).field


def test_low_speed_time_needed() -> None:
    """There is no average over no time."""
    assert "a number above 0" == refused(Timeouts, low_speed_time=None).allowed


@pytest.mark.parametrize(
    ("kind", "name", "good"),
    [
        (Limits, "connections", [1, None]),
        (Limits, "max_size", [0, 1, None]),
        (Limits, "max_metadata_size", [0, None]),
        (Limits, "redirects", [0, 1000]),
        (Retry, "retries", [0, 1000]),
        (Retry, "base", [0, 0.5]),
        (Retry, "factor", [1, 1.5]),
        (Retry, "cap", [0, 1e6]),
        (Retry, "retry_after", [0, 21600]),
        (Timeouts, "connect", [0.001, math.inf]),
    ],
)
def test_good_numbers(kind: type, name: str, good: list[Any]) -> None:
    """0 means zero and None no limit, and neither is swapped for a default."""
    assert good == [getattr(kind(**{name: value}), name) for value in good]


@pytest.mark.parametrize(
    ("kind", "name", "value", "allowed"),
    [
        (Limits, "connections", 0, "a whole number from 1, or none for no limit"),
        (Limits, "connections", 1.0, "a whole number from 1, or none for no limit"),
        (Limits, "max_size", -1, "a whole number from 0, or none for no limit"),
        (Limits, "redirects", 1001, "a whole number from 0 to 1000"),
        (Limits, "redirects", None, "a whole number from 0 to 1000"),
        (Retry, "retries", -1, "a whole number from 0 to 1000"),
        (Retry, "retries", True, "a whole number from 0 to 1000"),
        (Retry, "factor", 0.5, "a number from 1"),
        (Retry, "cap", -0.1, "a number from 0"),
        (Retry, "retry_after", 21601, "a number from 0 to 21600"),
    ],
)
def test_bad_numbers(kind: type, name: str, value: Any, allowed: str) -> None:
    """A number out of bounds is refused, with the bounds."""
    error = refused(kind, **{name: value})
    assert (name, value, allowed) == (error.field, error.value, error.allowed)


def test_frozen() -> None:
    """A Remote is a value."""
    remote = Remote(url="http://h/")
    with pytest.raises(FrozenInstanceError):
        remote.url = "http://other/"  # type: ignore[misc]
    assert Remote(url="http://h/") == remote
    assert hash(Remote(url="http://h/")) == hash(remote)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"url": "nonsense"}, "url"),
        ({"url": "http://h:99999/"}, "url"),
        ({"url": "http://h/\r\nX: y"}, "url"),
        ({"origins": ["nonsense"]}, "origins"),
        ({"origins": "https://joe:hunter2@h/"}, "origins"),
        ({"url": "https://h/", "mirrors": "https://joe:hunter2@m/"}, "mirrors"),
        ({"url": "https://h/", "mirrors": "nonsense"}, "mirrors"),
        ({"url": "https://h/", "mirror_list": "https://joe:hunter2@m/"}, "mirror_list"),
        ({"username": 7}, "username"),
        ({"username": "joe", "password": b"hunter2"}, "password"),
        ({"auth": "ntlm"}, "auth"),
        ({"token": "hunter2 "}, "token"),
        ({"token": "hunter2\N{POUND SIGN}"}, "token"),
        ({"token": ""}, "token"),
        ({"token": b"hunter2"}, "token"),
        ({"token": "hunter2", "username": "joe"}, "token"),
        ({"netrc": 1}, "netrc"),
        ({"cookies": "yes"}, "cookies"),
        ({"tls": {}}, "tls"),
        ({"timeouts": 3}, "timeouts"),
        ({"limits": None}, "limits"),
        ({"retry": 3}, "retry"),
        ({"allow_weak_digests": 1}, "allow_weak_digests"),
        ({"allow_unproven": "yes"}, "allow_unproven"),
        ({"user_agent": "a\r\nX: y"}, "user_agent"),
        ({"user_agent": 1}, "user_agent"),
        ({"headers": {"X-A": "a\nb"}}, "headers.X-A"),
        ({"file_mode": "move"}, "file_mode"),
        ({"policy": "lazy"}, "policy"),
        ({"file_roots": ["relative"]}, "file_roots"),
        ({"password": "hunter2"}, "password"),
        ({"username": "a:b", "password": "hunter2"}, "username"),
    ],
)
def test_bad_remote(fields: dict[str, Any], name: str) -> None:
    """A setting that cannot be honoured is refused at once, and the words hold no password."""
    error = refused(Remote, **fields)
    assert name == error.field
    assert "hunter2" not in str(error)


def test_secrets(tls: Authority) -> None:
    """A Remote shows nothing that is secret."""
    remote = Remote(
        url="https://h/",
        username="joe",
        password="hunter2",
        headers={"X-Key": "s3cret"},
        tls=TLS(ca_cert=tls.ca_file.read_text()),
    )
    assert not [secret for secret in ("joe", "hunter2", "s3cret", "BEGIN") if secret in repr(remote)]
    assert "X-Key" in repr(remote)


def test_secrets_in_urls() -> None:
    """Nor does it show what is secret in a URL."""
    remote = Remote(
        url="https://joe:hunter2@h/?key=s3cret",
        origins=("https://o/?key=s3cret",),
        mirrors=("https://m/?key=s3cret",),
        mirror_list="https://l/?key=s3cret",
    )
    assert not [secret for secret in ("joe", "hunter2", "s3cret") if secret in repr(remote)]
    assert "mirror_list='https://l/?key=***'" in repr(remote)
    assert "mirror_list=None" in repr(Remote())


def test_token_is_not_shown() -> None:
    """Nor a token."""
    assert "s3cret" not in repr(Remote(token="s3cret"))


def test_userinfo() -> None:
    """User name and password in the URL move to where they belong."""
    remote = Remote(url="https://j%40e:p%3aw@h/d/")
    assert ("https://h/d/", "j@e", "p:w") == (remote.url, remote.username, remote.password)
    assert "p:w" not in repr(remote)


def test_userinfo_is_second() -> None:
    """A user name given as a setting wins over the one in the URL."""
    remote = Remote(url="https://joe:pw@h/", username="jane", password="other")
    assert ("https://h/", "jane", "other") == (remote.url, remote.username, remote.password)


def test_user_without_password() -> None:
    """A user name alone is allowed."""
    assert ("token", None) == (Remote(username="token").username, Remote(username="token").password)


def test_secret_origins() -> None:
    """Secrets belong to the URL's origin and those listed with it, by scheme, host and port."""
    remote = Remote(url="https://H/d", origins=("http://cdn:8080/x", "https://cdn"))
    assert {("https", "h", 443), ("http", "cdn", 8080), ("https", "cdn", 443)} == remote.secret_origins
    assert frozenset() == Remote().secret_origins


def test_one_text() -> None:
    """One origin or root may be given without a list around it."""
    remote = Remote(origins="http://cdn", file_roots="/srv")  # type: ignore[arg-type]
    assert (("http://cdn",), ("/srv",)) == (remote.origins, remote.file_roots)


def test_evolved() -> None:
    """A changed copy is checked like a new one."""
    remote = Remote(url="http://h/", username="joe", password="pw")
    assert {("http", "other", 80)} == evolve(remote, url="http://other/").secret_origins
    with pytest.raises(SettingsError):
        evolve(remote, username=None)


def test_bad_trust(tmp_path: Path) -> None:
    """A file that is not there, and trust in nobody at all, are refused."""
    assert "ca_cert" == refused(TLS, ca_cert=str(tmp_path / "missing")).field
    assert "platform_trust" == refused(TLS, platform_trust=False).field
    assert "platform_trust" == refused(TLS, platform_trust=None).field
