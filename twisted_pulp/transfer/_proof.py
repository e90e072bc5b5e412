"""Whether the bytes are those that were wanted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twisted_pulp.digests import WEAK
from twisted_pulp.download import Download
from twisted_pulp.errors import DigestMismatch, SettingsError, SizeMismatch, Unproven
from twisted_pulp.settings import Remote

__all__ = ["algorithms_of", "check_strength", "prove", "strongest"]


_SHA256 = frozenset({"sha256"})
_NOTHING: Mapping[str, str] = MappingProxyType({})


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


def strongest(digests: Mapping[str, str]) -> dict[str, str]:
    """Return the one of *digests* that is to be compared: sha256, which is known anyway, or the longest."""
    name = "sha256" if "sha256" in digests else max(digests, key=lambda name: len(digests[name]))
    return {name: digests[name]}


def prove(
    download: Download,
    url: str,
    size: int,
    values: Mapping[str, str],
    by_end: bool,
    allowed: bool,
    declared: Mapping[str, str] = _NOTHING,
) -> bool:
    """
    Compare what came with what was expected.

    :param by_end: whether only the end of the connection said that the body was over.
    :param allowed: whether that is enough.
    :param declared: what the server says where no digest is expected. It shows damage, but proves nothing.
    :returns: whether an expected digest proved the bytes.
    :raises SizeMismatch, DigestMismatch, Unproven: when they do not agree.
    """
    if download.size is not None and size != download.size:
        raise SizeMismatch(url, download.size, size)
    for algorithm, expected in download.digests.items():
        if values[algorithm] != expected:
            raise DigestMismatch(url, algorithm, expected, values[algorithm])
    for algorithm, expected in declared.items():
        # After a resume it may not have been computed from the start.
        if values.get(algorithm, expected) != expected:
            raise DigestMismatch(url, algorithm, expected, values[algorithm])
    if by_end and not allowed and download.size is None and not download.digests and declared.keys().isdisjoint(values):
        raise Unproven(url)
    return bool(download.digests)
