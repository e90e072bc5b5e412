"""What `pulpdownloader get` was asked for, as values; nothing here is imported from where starting takes time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["GetOptions", "SyncOptions", "digest_of", "header_of", "timeout_of"]

TIMEOUTS = ("connect", "dns", "tcp", "tls", "headers", "idle", "low-speed", "low-speed-time", "total", "hook")


class GetOptions(NamedTuple):
    """
    The options of `pulpdownloader get`.

    :ivar output: the path of the one file, or None: into `directory`.
    :ivar config: path of the settings file, or None: the user's own.
    :ivar remote: the name of the remote that is meant, or None.
    :ivar fields: of `Remote`, with dots into its parts -> value.
    :ivar json: whether all that is said is one document at the end.
    """

    urls: tuple[str, ...]
    directory: str = "."
    output: str | None = None
    lists: tuple[str, ...] = ()
    jobs: int = 8
    digests: dict[str, str] = {}  # noqa: RUF012 -- never changed
    size: int | None = None
    config: str | None = None
    remote: str | None = None
    fields: dict[str, object] = {}  # noqa: RUF012 -- never changed
    report: str | None = None
    quiet: bool = False
    fail_fast: bool = False
    force: bool = False
    json: bool = False

    def with_metalinks(self) -> GetOptions:
        """Return these options with each URL, or path, that is called as a metalink among the lists."""
        named = tuple(url for url in self.urls if url.partition("?")[0].lower().endswith((".meta4", ".metalink")))
        if not named or self.output is not None:
            return self
        return self._replace(urls=tuple(url for url in self.urls if url not in named), lists=(*named, *self.lists))

    def contradiction(self) -> str | None:
        """Say which options do not go together; None when all do."""
        one = len(self.urls) == 1 and not self.lists
        if not self.urls and not self.lists:
            return "give a URL, or a list with -i"
        if self.output is not None and not one:
            return "-o is for one URL; give a directory with -d"
        if self.output is not None and self.directory != ".":
            return "give either -d or -o"
        if self.output in ("", "-"):
            return "-o needs the name of a file"
        if (self.digests or self.size is not None) and not one:
            return "--digest and --size are for one URL; a list has them for each file"
        if sum(name == "-" for name in self.lists) > 1:
            return "standard input can be read once"
        return None


class SyncOptions(NamedTuple):
    """
    The options of `pulpdownloader sync`.

    :ivar type: of the content.
    :ivar url: of the upstream; None: that of the remote.
    :ivar tolerance: failed files that are too many by one, or None.
    :ivar in_flight: bytes that are asked for and not stored yet, at most; None: any number.
    :ivar in_flight_files: the same of files.
    :ivar no_wait: whether to fail where another process writes.
    :ivar config: path of the settings file, or None: the user's own.
    :ivar remote: the name of the remote, in the catalog or else in the settings; None: as the repository.
    :ivar fields: of `Remote`, with dots into its parts -> value.
    """

    type: str
    url: str | None
    repository: str
    mirror: bool = False
    force: bool = False
    keep_going: bool = False
    tolerance: int | None = None
    jobs: int = 8
    in_flight: int | None = 4 << 30
    in_flight_files: int | None = 1000
    fsync: bool = False
    no_wait: bool = False
    quiet: bool = False
    config: str | None = None
    remote: str | None = None
    fields: dict[str, object] = {}  # noqa: RUF012 -- never changed

    def contradiction(self) -> str | None:
        """Say which options do not go together; None when all do."""
        if self.tolerance is not None and not self.keep_going:
            return "--tolerance needs --keep-going"
        if self.url is not None and "url" in self.fields:
            return "give the URL either as URL or with --base"
        return None


def digest_of(text: str) -> tuple[str, str]:
    """
    Return the algorithm and the value in ALG:HEX.

    :raises ValueError: when *text* is not of that form.
    """
    algorithm, colon, value = text.partition(":")
    if not colon or not algorithm or not value:
        raise ValueError(f"{text!r} is not ALG:HEX, such as sha256:9f86d0...")
    return algorithm.lower(), value


def header_of(text: str) -> tuple[str, str]:
    """
    Return the name and the value in NAME:VALUE.

    :raises ValueError: when *text* is not of that form; its value may be a secret, and is not shown.
    """
    name, colon, value = text.partition(":")
    if not colon or not name:
        raise ValueError("a header is NAME:VALUE")
    return name, value.strip(" \t")


def timeout_of(text: str) -> tuple[str, float | None]:
    """
    Return the field of `Timeouts` and its value in NAME=SECONDS; the name is `idle` when there is none.

    :raises ValueError: when *text* is not of that form.
    """
    name, equals, value = text.rpartition("=")
    name = name if equals else "idle"
    if name not in TIMEOUTS:
        raise ValueError(f"{name!r} is no timeout; there are {', '.join(TIMEOUTS)}")
    if value == "none":
        return name.replace("-", "_"), None
    try:
        return name.replace("-", "_"), float(value)
    except ValueError:
        raise ValueError(f"{value!r} is neither a number nor none") from None


def unique(pairs: Iterable[tuple[str, object]]) -> str | None:
    """Return a name that *pairs* have twice, case aside; None when there is none."""
    seen = set()
    for name, _ in pairs:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return None
