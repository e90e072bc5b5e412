"""The .netrc file: what is read, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twisted_pulp.errors import SettingsError
from twisted_pulp.http._netrc import read_netrc


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that NETRC names, ours alone."""
    path = tmp_path / "netrc"
    path.touch(0o600)
    monkeypatch.setenv("NETRC", str(path))
    return path


def refused() -> SettingsError:
    """Return the error that reading fails with."""
    with pytest.raises(SettingsError) as caught:
        read_netrc()
    assert "netrc" == caught.value.field
    return caught.value


def test_read(file: Path) -> None:
    """Each machine has a user name and a password; the default is nobody's."""
    file.write_text(
        '# of mine\nmachine A.test login joe password "S3 CR3T"\nmachine b.test\n\tpassword x\n'
        "default login any password y\n"
    )
    assert {"a.test": ("joe", "S3 CR3T"), "b.test": ("", "x")} == read_netrc()


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without NETRC it is ~/.netrc, which need not be there."""
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert {} == read_netrc()
    (tmp_path / ".netrc").touch(0o600)
    (tmp_path / ".netrc").write_text("machine a.test login joe password x")
    assert {"a.test": ("joe", "x")} == read_netrc()


def test_missing(file: Path) -> None:
    """A file that NETRC names must be there."""
    file.unlink()
    assert "exists" in str(refused())


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o666, 0o610])
def test_mode(file: Path, mode: int) -> None:
    """A file that others may read or write is refused, with what to do about it."""
    file.chmod(mode)
    words = str(refused())
    assert f"{mode:o}" in words
    assert "chmod 600" in words
    assert str(file) in words


def test_owner(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one of somebody else's."""
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert "owns" in str(refused())


@pytest.mark.parametrize(
    "content", [b"machine a.test login joe S3CR3T", b"S3CR3T", b"machine a.test password S3CR3T\n\xff x"]
)
def test_broken(file: Path, content: bytes) -> None:
    """One that cannot be read is refused by its line, without its words."""
    file.write_bytes(content)
    error = refused()
    assert "line" in str(error)
    assert "S3CR3T" not in f"{error!r} {error.__cause__!r}".replace(str(file), "")
    assert error.__suppress_context__


def test_unreadable(file: Path) -> None:
    """So is what is no file."""
    file.unlink()
    file.mkdir(0o700)
    assert "can be read" in str(refused())
