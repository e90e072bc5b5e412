"""What a Remote says to those who ask who it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from twisted_pulp.http import Credentials, basic
from twisted_pulp.settings import Remote
from twisted_pulp.urls import origin_of


@pytest.mark.parametrize(
    ("expected", "remote", "origin"),
    [
        (None, Remote(), "https://a.test"),
        (basic("joe", "x"), Remote(username="joe", password="x"), "https://a.test"),
        (basic("joe", None), Remote(url="https://joe@a.test/"), "https://A.test:443"),
        (None, Remote(url="https://joe@a.test/"), "http://a.test"),
        (None, Remote(url="https://joe@a.test/"), "https://b.test"),
        ("Bearer t", Remote(url="https://a.test/", token="t", origins=("http://b.test",)), "http://b.test"),
        (None, Remote(url="https://a.test/", token="t", origins=("http://b.test",)), "http://c.test"),
        (basic("ann", "y"), Remote(netrc=True), "http://a.test:8080"),
        (basic("ann", "y"), Remote(url="http://a.test", netrc=True), "http://a.test"),
        (None, Remote(url="http://b.test", netrc=True), "http://a.test"),
        (None, Remote(netrc=True), "http://b.test"),
    ],
)
def test_of(expected: str | None, remote: Remote, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each origin is told what belongs to it, and no other origin is told anything."""
    path = tmp_path / "netrc"
    path.touch(0o600)
    path.write_text("machine a.test login ann password y")
    monkeypatch.setenv("NETRC", str(path))
    assert expected == Credentials(remote).of(origin_of(origin))
