"""Whether the bytes are those that were wanted."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_pulp.download import Download
from twisted_pulp.errors import DigestMismatch, SettingsError, SizeMismatch, Unproven
from twisted_pulp.settings import Remote
from twisted_pulp.transfer._proof import algorithms_of, check_strength, prove, strongest

URL = "http://h/f"
MD5, SHA1, SHA256 = {"md5": "0" * 32}, {"sha1": "0" * 40}, {"sha256": "0" * 64}


@pytest.mark.parametrize(
    ("fields", "algorithms"),
    [
        ({}, {"sha256"}),
        ({"digests": SHA256}, {"sha256"}),
        ({"digests": MD5}, {"md5", "sha256"}),
        ({"digests": {**MD5, **SHA256}}, {"md5", "sha256"}),
        ({"compute": ["sha512"]}, {"sha512", "sha256"}),
        ({"compute": ["sha512"], "digests": MD5}, {"sha512", "md5", "sha256"}),
    ],
)
def test_algorithms(fields: dict[str, Any], algorithms: set[str]) -> None:
    """All digests that are expected or asked for are computed, and sha256 always."""
    assert algorithms == algorithms_of(Download(URL, **fields))


@pytest.mark.parametrize(
    ("digests", "strong"),
    [({}, True), (MD5, False), ({**MD5, **SHA1}, False), ({**MD5, **SHA256}, True), ({"sha512": "0" * 128}, True)],
)
def test_strength(digests: dict[str, str], strong: bool) -> None:
    """Digests that are all weak are refused unless they are allowed."""
    download = Download(URL, digests=digests)
    check_strength(download, Remote(allow_weak_digests=True))
    if strong:
        check_strength(download, Remote())
        return
    with pytest.raises(SettingsError, match="allow_weak_digests"):
        check_strength(download, Remote())


def test_proven() -> None:
    """A digest proves the bytes; a size alone does not, but it will do where the connection just ends."""
    assert prove(Download(URL, digests=SHA256), URL, 1, SHA256, True, False)
    assert not prove(Download(URL, size=1), URL, 1, SHA256, True, False)
    assert not prove(Download(URL), URL, 1, SHA256, True, True)
    assert not prove(Download(URL), URL, 1, SHA256, False, False)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"size": 2}, SizeMismatch),
        ({"size": 0, "digests": SHA256}, SizeMismatch),
        ({"digests": {"sha256": "1" * 64}}, DigestMismatch),
        ({}, Unproven),
    ],
)
def test_disproven(fields: dict[str, Any], kind: type[Exception]) -> None:
    """What disagrees, or says nothing where the connection just ends, is refused."""
    with pytest.raises(kind):
        prove(Download(URL, **fields), URL, 1, SHA256, True, False)


@pytest.mark.parametrize(
    ("digests", "expected"),
    [({**MD5, **SHA256, "sha512": "0" * 128}, SHA256), ({**MD5, **SHA1}, SHA1), ({**SHA1, **MD5}, SHA1)],
)
def test_strongest(digests: dict[str, str], expected: dict[str, str]) -> None:
    """One of several digests is compared: sha256, which costs nothing more, or else the longest."""
    assert expected == strongest(digests)


def test_declared() -> None:
    """A digest that the server declares shows damage and an early end where it was computed, and proves nothing."""
    assert not prove(Download(URL), URL, 1, SHA256, False, False, SHA256)
    assert not prove(Download(URL), URL, 1, SHA256, True, False, SHA256)
    assert not prove(Download(URL), URL, 1, SHA256, False, False, MD5)
    with pytest.raises(DigestMismatch):
        prove(Download(URL), URL, 1, SHA256, False, False, {"sha256": "1" * 64})
    with pytest.raises(Unproven):
        prove(Download(URL), URL, 1, SHA256, True, False, MD5)
