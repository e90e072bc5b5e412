"""Downloads of large files that the storage takes in while they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_pulp.download import Download, DownloadReport
from twisted_pulp.interfaces import IDownloader, IFollower, IStorage
from twisted_pulp.settings import Remote
from twisted_pulp.transfer import Hooks, Place

__all__ = ["Following"]


class Following:
    """
    Tell *storage* how files grow in its directory for temporaries.

    :param directory: the paths of the downloads are relative to it.
    """

    def __init__(self, storage: IStorage, directory: str) -> None:
        self._storage, self._directory = storage, directory
        self._remote = Remote()  # of sources that have none of their own
        self._followers: dict[str, IFollower | None] = {}

    def downloader(self, make: Callable[..., IDownloader]) -> IDownloader:
        """
        Return the downloader for them.

        :param make: makes it, as `Context.downloader` does.
        """
        storage = self._storage
        hooks = Hooks(progress=self._progressed) if storage.follows else None
        downloader = make(directory=self._directory, put=storage.put, hooks=hooks)
        self._remote = downloader.remote
        return downloader

    def _progressed(self, download: Download, size: int, total: int | None) -> None:
        path = str(download.path)
        try:
            follower = self._followers[path]
        except KeyError:
            if size == total:  # all of it came at once
                return
            follower = self._followers[path] = self._follower(download, path, total)
        if follower is not None:
            follower.grown(size)

    def _follower(self, download: Download, path: str, total: int | None) -> IFollower | None:
        sha256, size = download.digests.get("sha256"), total if download.size is None else download.size
        if sha256 is None or size is None or self._in_segments(download):
            return None
        place = Place(self._directory, path)
        return self._storage.follow(place.beside(place.partial), sha256, size)

    def _in_segments(self, download: Download) -> bool:
        """Return whether it may come at several places at once."""
        remotes = [source.remote or self._remote for source in download.sources]
        return download.pieces is not None or any(remote.limits.segments > 1 for remote in remotes)

    def ended(self, report: DownloadReport) -> None:
        """A download has ended; if it has ended well, the storage is to adopt its file."""
        if not self._followers:
            return
        download: Any = report.download
        follower = self._followers.pop(download.path, None)
        if follower is not None and report.error is not None:
            follower.cancel()

    def close(self) -> None:
        """Nothing comes any more."""
        followers, self._followers = self._followers, {}
        for follower in followers.values():
            if follower is not None:
                follower.cancel()
