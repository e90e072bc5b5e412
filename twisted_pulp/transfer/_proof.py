"""Whether the bytes are those that were wanted."""

from __future__ import annotations

from twisted_pulp.digests import WEAK
from twisted_pulp.download import Download
from twisted_pulp.errors import DigestMismatch, SettingsError, SizeMismatch, Unproven
from twisted_pulp.settings import Remote

__all__ = ["algorithms_of", "check_strength", "prove"]


_SHA256 = frozenset({"sha256"})


def algorithms_of(download: Download) -> frozenset[str]:
    """Return the digests to compute for *download*, sha256 always among them."""
    digests = download.digests
    if not download.compute and (not digests or (len(digests) == 1 and "sha256" in digests)):
        return _SHA256
    return download.compute.union(digests, _SHA256)


def check_strength(download: Download, remote: Remote) -> None:
    """
    Refuse what proves nothing, before any byte is asked for.

    :raises SettingsError: when only weak digests are expected and *remote* does not allow that.
    """
    digests = download.digests
    if digests and "sha256" not in digests and not remote.allow_weak_digests and WEAK.issuperset(digests):
        raise SettingsError(
            "digests",
            ", ".join(digests),
            "more than md5 and sha1, which can be forged, unless allow_weak_digests is set",
        )


def prove(download: Download, url: str, size: int, values: dict[str, str], by_end: bool, allowed: bool) -> bool:
    """
    Compare what came with what was expected.

    :param by_end: whether only the end of the connection said that the body was over.
    :param allowed: whether that is enough.
    :returns: whether a digest proved the bytes.
    :raises SizeMismatch, DigestMismatch, Unproven: when they do not agree.
    """
    if download.size is not None and size != download.size:
        raise SizeMismatch(url, download.size, size)
    for algorithm, expected in download.digests.items():
        if values[algorithm] != expected:
            raise DigestMismatch(url, algorithm, expected, values[algorithm])
    if by_end and not allowed and download.size is None and not download.digests:
        raise Unproven(url)
    return bool(download.digests)
