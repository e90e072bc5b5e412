"""What is to be downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from attrs import asdict, field, frozen
from msgspec import Meta

from twisted_pulp.documents._fields import URL, Count, Name, one_line

__all__ = ["Digests", "NewDownload", "NewDownloads"]


def _hex(digits: int) -> Meta:
    return Meta(pattern=f"^[0-9A-Fa-f]{{{digits}}}$", max_length=digits)


@frozen(kw_only=True)
class Digests:
    """
    Digests of a file, in hexadecimal digits. All that are given must match.

    :ivar sha224: 56 digits.
    :ivar sha256: 64 digits.
    :ivar sha384: 96 digits.
    :ivar sha512: 128 digits.
    :ivar blake2b: 128 digits.
    :ivar sha1: 40 digits; proves nothing alone.
    :ivar md5: 32 digits; proves nothing alone.
    """

    sha224: Annotated[str, _hex(56)] | None = None
    sha256: Annotated[str, _hex(64)] | None = None
    sha384: Annotated[str, _hex(96)] | None = None
    sha512: Annotated[str, _hex(128)] | None = None
    blake2b: Annotated[str, _hex(128)] | None = None
    sha1: Annotated[str, _hex(40)] | None = None
    md5: Annotated[str, _hex(32)] | None = None

    def given(self) -> Mapping[str, str]:
        """Return those that are given, by algorithm, in lower case."""
        return {name: value.lower() for name, value in asdict(self).items() if value is not None}


@frozen(kw_only=True)
class NewDownload:
    """
    A file to be downloaded.

    :ivar url: where it is: http or https.
    :ivar path: where it appears below the directory of downloads: names with slashes between them; null: the last part
        of the URL.
    :ivar size: bytes that it must have; null: any number.
    :ivar digests: what it must have; null: nothing proves it.
    """

    url: URL = field(validator=one_line)
    path: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    size: Count | None = None
    digests: Digests | None = None


@frozen(kw_only=True)
class NewDownloads:
    """
    Files to be downloaded, as one job.

    :ivar items: the files.
    :ivar remote: name of the remote that says how they are reached; null: every default. URLs may be on other hosts;
        its secrets go to its own origin only.
    :ivar priority: jobs with more are begun first; default 0.
    """

    items: Annotated[list[NewDownload], Meta(min_length=1)]
    remote: Name | None = field(default=None, validator=one_line)
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
