"""The key file, and what it seals."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from twisted_pulp.catalog import Key
from twisted_pulp.catalog._key import marks_of
from twisted_pulp.errors import KeyRefused

SECRETS = {"password": "none", "headers": {"X-Key": "é"}}


def test_made(tmp_path: Path) -> None:
    """A key file that is missing is made, for its owner alone; what was sealed is opened later."""
    sealed = Key.open(tmp_path / "key").seal(SECRETS)
    assert 0o600 == (tmp_path / "key").stat().st_mode & 0o777
    assert b"none" not in sealed
    assert SECRETS == Key.open(tmp_path / "key").unseal(sealed)
    assert ["key"] == os.listdir(tmp_path)


def test_umask(tmp_path: Path) -> None:
    """No umask lets others read it."""
    before = os.umask(0)
    try:
        Key.open(tmp_path / "key")
    finally:
        os.umask(before)
    assert 0o600 == (tmp_path / "key").stat().st_mode & 0o777


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_others(tmp_path: Path, mode: int) -> None:
    """A key that others may touch is refused, and not changed."""
    path = tmp_path / "key"
    Key.open(path)
    path.chmod(mode)
    with pytest.raises(KeyRefused, match="chmod 600"):
        Key.open(path)
    assert mode == path.stat().st_mode & 0o777


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 44])
def test_no_key(tmp_path: Path, content: bytes) -> None:
    """What is no key is refused, and stays as it is."""
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyRefused, match="none"):
        Key.open(path)
    assert content == path.read_bytes()


def test_link(tmp_path: Path) -> None:
    """A link is not followed."""
    Key.open(tmp_path / "real")
    (tmp_path / "key").symlink_to("real")
    with pytest.raises(KeyRefused, match="cannot be read"):
        Key.open(tmp_path / "key")


def test_directory(tmp_path: Path) -> None:
    """A directory is no key file, and one that is not there has none."""
    tmp_path.chmod(0o700)
    with pytest.raises(KeyRefused, match="no file"):
        Key.open(tmp_path)
    with pytest.raises(KeyRefused, match="cannot be made"):
        Key.open(tmp_path / "missing" / "key")


def test_another(tmp_path: Path) -> None:
    """Another key opens nothing, and says what to do."""
    sealed = Key.open(tmp_path / "one").seal(SECRETS)
    with pytest.raises(KeyRefused, match="another key"):
        Key.open(tmp_path / "two").unseal(sealed)


def test_changed(tmp_path: Path) -> None:
    """What was changed since it was sealed is refused."""
    key = Key.open(tmp_path / "key")
    sealed = bytearray(key.seal(SECRETS))
    sealed[40] ^= 1
    with pytest.raises(KeyRefused, match="another key"):
        key.unseal(bytes(sealed))


def test_renewed() -> None:
    """With a new key before the old one, both open, and the new one seals."""
    old, new = Fernet.generate_key(), Fernet.generate_key()
    both = Key(new, old)
    assert SECRETS == both.unseal(Key(old).seal(SECRETS))
    assert SECRETS == Key(new).unseal(both.seal(SECRETS))


def test_marks(tmp_path: Path) -> None:
    """Each key of a file has a mark of its own, the same each time, and does not tell the key."""
    one, two = Fernet.generate_key(), Fernet.generate_key()
    for name, content in (("a", one), ("b", two + b"\n" + one + b"\n"), ("none", b"\n"), ("bad", b"CHANGE-ME")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    marks = marks_of(str(tmp_path / "b"))
    assert [marks[1]] == marks_of(str(tmp_path / "a"))
    assert 2 == len(set(marks))
    assert not any(part in one.decode() for part in marks)
    assert 1 == len(marks_of(str(tmp_path / "new")))
    with pytest.raises(KeyRefused, match="no key"):
        marks_of(str(tmp_path / "none"))
    with pytest.raises(KeyRefused, match="bad: what should be a key is none"):
        marks_of(str(tmp_path / "bad"))
