"""The options of `get`, as what the library asks for."""

from __future__ import annotations

import os

from attrs import evolve, frozen

from twisted_pulp.cli._config import remote_of
from twisted_pulp.cli._options import GetOptions
from twisted_pulp.digests import WEAK
from twisted_pulp.download import Download
from twisted_pulp.errors import DownloadError, SettingsError, shown
from twisted_pulp.lists import file_root_of
from twisted_pulp.names import file_name_of
from twisted_pulp.settings import Remote
from twisted_pulp.urls import join

__all__ = ["Wishes"]


@frozen(eq=False, repr=False)
class Wishes:
    """
    What is to be downloaded, how, and where to.

    :ivar remote: reaches all of it.
    :ivar downloads: the files that were named themselves.
    :ivar directory: that nothing leaves; None when the one file has a path of its own.
    """

    remote: Remote
    downloads: tuple[Download, ...]
    directory: str | None

    @classmethod
    def of(cls, options: GetOptions) -> Wishes:
        """
        Return what *options* ask for.

        :raises SettingsError: when they cannot be honoured.
        """
        if options.digests and WEAK.issuperset(options.digests):
            raise SettingsError("digest", ", ".join(options.digests), "one that proves something: sha256, for example")
        for name in options.lists:
            if name != "-" and "://" not in name and not os.access(name, os.R_OK):
                raise SettingsError("input", name, "a file that can be read, a URL, or -")
        directory = None if options.output is not None else options.directory
        remote = _remote(options)
        return cls(remote, tuple(_download(_absolute(url, remote), options) for url in options.urls), directory)


def _remote(options: GetOptions) -> Remote:
    remote, roots = remote_of(options.config, options.remote, options.fields), _roots(options)
    return evolve(remote, file_roots=(*remote.file_roots, *roots)) if roots else remote


def _roots(options: GetOptions) -> tuple[str, ...]:
    # Who names a file:// URL or a list trusts what is beside it; a list that came over the network opens nothing.
    found = (file_root_of(name) for name in (*options.urls, *options.lists) if "://" not in name or name[:5] == "file:")
    return tuple(dict.fromkeys(root for root in found if root is not None))


def _absolute(url: str, remote: Remote) -> str:
    if "://" in url or remote.url is None:
        return url
    return join(remote.url if remote.url.endswith("/") else f"{remote.url}/", url)


def _download(url: str, options: GetOptions) -> Download:
    path = options.output
    if path is None:
        try:
            path = file_name_of(url)
        except DownloadError as error:
            allowed = f"one that ends with a file name, or given with -o ({error.reason})"
            raise SettingsError("URL", shown(url), allowed) from error
    return Download(url, path, size=options.size, digests=options.digests)
