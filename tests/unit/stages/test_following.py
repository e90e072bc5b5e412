"""Downloads of large files that the storage takes in while they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_pulp.context import Context
from twisted_pulp.download import Download, DownloadReport, Pieces, Source
from twisted_pulp.errors import ConnectionLost
from twisted_pulp.settings import Limits, Remote
from twisted_pulp.stages._following import Following
from twisted_pulp.storage import MemoryStorage

SHA = "ab" * 32
SIZE = 20 << 20


class Follower:
    """Notes what it is told."""

    def __init__(self, *about: object) -> None:
        self.about, self.told = about, list[object]()

    def grown(self, size: int) -> None:
        """Note it."""
        self.told.append(size)

    def cancel(self) -> None:
        """Note it."""
        self.told.append("cancel")


class Storage(MemoryStorage):
    """One that follows whatever it is told of."""

    follows = True

    def __init__(self) -> None:
        super().__init__()
        self.followers: list[Follower] = []

    def follow(self, path: str, sha256: str, size: int) -> Any:
        """Return a follower that is known."""
        self.followers.append(Follower(path, sha256, size))
        return self.followers[-1]


class TestFollowing:
    """A storage that hears of what grows."""

    @pytest.fixture(autouse=True)
    def _following(self) -> None:
        self.storage = Storage()
        self.made: dict[str, Any] = {}
        self._with(Remote())

    def _with(self, remote: Remote) -> None:
        self.following = Following(self.storage, "/tmp/x")
        self.following.downloader(self._maker(remote))

    def _maker(self, remote: Remote) -> Callable[..., Any]:
        def make(**fields: Any) -> Any:
            self.made = fields
            return Context(Clock()).downloader(remote)

        return make

    def _came(self, download: Download, *sizes: int, total: int | None = SIZE) -> list[list[object]]:
        for size in sizes:
            self.made["hooks"].progress(download, size, total)
        return [each.told for each in self.storage.followers]

    def _download(self, **fields: Any) -> Download:
        return Download("http://h/f", "name", **{"size": SIZE, "digests": {"sha256": SHA}, **fields})

    def test_told(self) -> None:
        """The storage is told where the file grows, what it will be, and how far it is."""
        assert [[10, 20, SIZE]] == self._came(self._download(), 10, 20, SIZE)
        assert ("/tmp/x/.name.pulp-part", SHA, SIZE) == self.storage.followers[0].about

    def test_ended(self) -> None:
        """A download that failed is forgotten; one that did not is the storage's to adopt."""
        download = self._download()
        for error in (ConnectionLost("http://h/f"), None):
            self._came(download, 10)
            self.following.ended(DownloadReport(url="http://h/f", download=download, error=error))
        self.following.ended(DownloadReport(url="http://h/f", download=download))
        assert [[10, "cancel"], [10]] == [each.told for each in self.storage.followers]

    def test_closed(self) -> None:
        """Whatever has not ended is forgotten at the end."""
        self._came(self._download(), 10)
        self._came(Download("http://h/g", "other", size=SIZE), 10)
        self.following.close()
        assert [[10, "cancel"]] == [each.told for each in self.storage.followers]

    def test_size_as_announced(self) -> None:
        """Where no size is expected, the response has it."""
        self._came(self._download(size=None), 10, total=SIZE + 1)
        assert SIZE + 1 == self.storage.followers[0].about[2]

    @pytest.mark.parametrize(
        "fields",
        [
            {"digests": {"sha512": "ab" * 64}},
            {"pieces": Pieces(SIZE, "sha256", [SHA])},
            {"sources": (Source("http://h/f", remote=Remote(limits=Limits(segments=2))),)},
        ],
    )
    def test_not_followed(self, fields: dict[str, Any]) -> None:
        """What is not known yet, or may come at several places, is nothing for the storage."""
        given = {"sources": ("http://h/f",), "path": "name", "size": SIZE, "digests": {"sha256": SHA}, **fields}
        assert [] == self._came(Download(**given), 10, 20)

    def test_nothing_known(self) -> None:
        """Nor is what has no size, or came at once, or what this remote fetches in segments."""
        assert [] == self._came(self._download(size=None), 10, 20, total=None)
        assert [] == self._came(Download("http://h/g", "g", size=9, digests={"sha256": SHA}), 9, total=9)
        self._with(Remote(limits=Limits(segments=2)))
        assert [] == self._came(self._download(), 10)

    def test_no_use(self) -> None:
        """A storage that has no use for it hears nothing."""
        self.storage.follows = False
        self._with(Remote())
        assert None is self.made["hooks"]
