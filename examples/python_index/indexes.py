"""All indexes that pip is configured for, each with a Remote of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

from twisted.internet.interfaces import IReactorTime

from twisted_pulp import TLS, Context, Remote
from twisted_pulp.errors import shown

from .index import DiskIndex, Downloader, Index, InThread, Links, SimpleIndex, files_at, files_in, path_of
from .pip_settings import PipSettings


def opened(settings: PipSettings, context: Context, clock: IReactorTime, in_thread: InThread) -> list[Index]:
    """
    Return the indexes of *settings*, in the order in which pip prefers them: what is on disk first.

    :raises SettingsError: when one cannot be reached with what is configured.
    """
    # As pip does: its authorities are instead of the platform's, not beside them.
    tls = TLS(ca_cert=settings.cert, platform_trust=False) if settings.cert else TLS()
    found: list[Index] = []
    for url in (*settings.find_links, *settings.indexes):
        flat = url in settings.find_links
        if url.startswith("file:"):
            found.append(_on_disk(path_of(url).resolve(), flat, context, clock, in_thread))
            continue
        remote = Remote(url=url, tls=tls)
        # The Remote has user name and password now, and sends them where they belong.
        public, downloader = str(remote.url), _downloader(context, remote)
        if flat:
            found.append(Links(shown(public), partial(files_at, public, downloader, clock)))
        else:
            found.append(SimpleIndex(downloader, clock, public))
    return found


def _on_disk(path: Path, flat: bool, context: Context, clock: IReactorTime, in_thread: InThread) -> Index:
    page = flat and path.suffix in (".html", ".htm")
    # The files of an index are often beside its pages: .../simple/PROJECT/index.html and .../packages/FILE.
    root = path if flat and not page else path.parent
    downloader = _downloader(context, Remote(url=path.as_uri(), file_roots=(str(root),)))
    if page:
        return Links(path.as_uri(), partial(files_at, path.as_uri(), downloader, clock))
    if flat:
        return Links(path.as_uri(), partial(files_in, path, downloader, in_thread))
    return DiskIndex(downloader, clock, in_thread, path)


def _downloader(context: Context, remote: Remote) -> Downloader:
    # What third parties make for their own schemes may lack `http`; this is for ours.
    return cast(Downloader, context.downloader(remote))
