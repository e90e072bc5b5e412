"""Files that are uploaded while they grow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore
from twisted.internet.defer import execute
from zope.interface.verify import verifyObject

from tests.fakes import head, result_of
from tests.unit.storage.contract import NO, REPORT, digest, drained, settle
from twisted_pulp.errors import DigestMismatch
from twisted_pulp.interfaces import Adoption, IFollower
from twisted_pulp.storage import ObjectStorage

PART = 8 << 20
DATA = os.urandom(1 << 20) * 17
SHA = digest(DATA)


class TestFollower:
    """Uploads that begin before the end."""

    @pytest.fixture(autouse=True)
    def _storage(self, object_runtime: None, tmp_path: Path) -> Iterator[None]:
        self.store = MemoryStore()
        self.puts: list[str] = []
        self.began = Event()
        self.storage: Any = result_of(
            ObjectStorage.open(None, "s3://bucket", tmp_path / "spool", in_thread=execute, store=self.store)  # type: ignore[arg-type]
        )
        bucket = self.storage._bucket
        put = bucket._put

        def counted(sha256: str, body: Any, **how: Any) -> None:
            self.puts.append(sha256)
            self.began.set()
            put(sha256, body, **how)

        bucket._put = counted
        self.path = Path(self.storage.temporary("growing"))
        yield
        result_of(self.storage.close())
        assert 0 == len(self.storage._uploads.followers._running)

    def _follower(self, path: Path | None = None, sha256: str = SHA, size: int = len(DATA)) -> Any:
        return self.storage.follow(str(path or self.path), sha256, size)

    def _there(self) -> list[str]:
        return [each["path"] for each in obstore.list(self.store).collect()]

    def _adopted(self, sha256: str = SHA) -> object:
        return result_of(self.storage.adopt([Adoption(str(self.path), sha256, os.path.getsize(self.path))]))[0]

    def test_interface(self) -> None:
        """What follows is an `IFollower`; small files are not worth it."""
        assert verifyObject(IFollower, self._follower())
        assert None is self._follower(size=2 * PART - 1)

    def test_stored_once(self) -> None:
        """What is there in parts is uploaded as it comes, appears when it is adopted, and is not uploaded again."""
        follower = self._follower()
        with self.path.open("wb") as file:
            for start in range(0, len(DATA), 1 << 20):
                file.write(DATA[start : start + (1 << 20)])
                file.flush()
                follower.grown(start + (1 << 20))
        assert [] == self._there()
        assert None is self._adopted()
        assert ([SHA], [f"artifact/{SHA[:2]}/{SHA[2:]}"]) == (self.puts, self._there())
        assert None is result_of(self.storage.check(SHA, len(DATA)))
        assert [] == os.listdir(self.path.parent)
        follower.cancel()
        assert [SHA] == [sha256 for sha256, _, _ in drained(self.storage.each())]

    def test_told_too_soon(self) -> None:
        """Bytes that are not in the file yet are waited for."""
        follower = self._follower()
        self.path.write_bytes(DATA[:PART])
        follower.grown(len(DATA))
        with self.path.open("ab") as file:
            file.write(DATA[PART:])
        assert None is self._adopted()
        assert [SHA] == self.puts
        assert None is result_of(self.storage.check(SHA, len(DATA)))

    def test_tried_again(self) -> None:
        """An upload that the store breaks off begins again with the first byte of the file."""
        bucket, broken = self.storage._bucket, Event()
        put = bucket._put

        def failing(sha256: str, body: Any, **how: Any) -> None:
            if broken.is_set():
                put(sha256, body, **how)
            else:
                next(body)
                broken.set()
                raise GenericError("it broke off")

        bucket._put = failing
        self.path.write_bytes(DATA)
        self._follower().grown(len(DATA))
        assert broken.wait(30)
        assert None is self._adopted()
        assert [SHA] == self.puts
        assert None is result_of(self.storage.check(SHA, len(DATA)))

    def test_never_adopted(self) -> None:
        """A download that fails leaves nothing."""
        self.path.write_bytes(DATA)
        follower = self._follower()
        follower.grown(len(DATA))
        follower.cancel()
        follower.join()
        follower.grown(len(DATA))
        assert [] == self._there()
        self.path.unlink()

    def test_begun_again(self) -> None:
        """A file that is written anew is uploaded when it is whole."""
        self.path.write_bytes(bytes(PART))
        follower = self._follower()
        follower.grown(PART)
        follower.grown(10)
        follower.join()
        self.path.write_bytes(DATA)
        follower.grown(len(DATA))
        assert None is self._adopted()
        assert [SHA, SHA] == self.puts
        assert None is result_of(self.storage.check(SHA, len(DATA)))

    @pytest.mark.parametrize("other", [bytes(len(DATA)), DATA[:PART]])
    def test_other_bytes(self, other: bytes) -> None:
        """Bytes that are not the artifact's never appear, whatever the file was meanwhile."""
        self.path.write_bytes(other)
        follower = self._follower()
        follower.grown(len(DATA))
        follower.finish(None)
        assert [] == self._there()
        self.path.write_bytes(DATA)
        assert None is self._adopted()
        assert None is result_of(self.storage.check(SHA, len(DATA)))

    def test_there_already(self) -> None:
        """What was stored lately is not uploaded again."""
        self.path.write_bytes(DATA)
        assert None is self._adopted()
        follower = self._follower()
        self.path.write_bytes(DATA)
        follower.grown(len(DATA))
        follower.join()
        assert None is self._adopted()
        assert [SHA] == self.puts

    def test_not_there(self) -> None:
        """What cannot be opened is left to its adoption."""
        follower = self._follower(Path("/nowhere"))
        follower.grown(PART)
        follower.join()
        self.path.write_bytes(DATA)
        assert None is self._adopted()

    def test_few_at_once(self) -> None:
        """Only two are uploaded so; another goes on once there is room, and nobody waits for it."""
        self.path.write_bytes(DATA)
        others = [self._follower(sha256=digest(b"%d" % number)) for number in range(2)]
        for other in others:
            other.grown(PART)
        follower = self._follower()
        follower.grown(PART)
        assert None is follower._thread
        for other in others:
            other.cancel()
            other.join()
        follower.grown(PART + 1)
        assert None is follower._thread  # not before there is more
        follower.grown(2 * PART)
        assert None is not follower._thread
        assert None is self._adopted()
        assert 1 == self.puts.count(SHA)

    def test_closed(self) -> None:
        """What is under way when the storage is closed is aborted, and nothing begins any more."""
        self.path.write_bytes(DATA)
        follower = self._follower()
        follower.grown(PART)
        result_of(self.storage.close())
        assert not follower._thread.is_alive()
        other = self._follower(sha256=NO)
        other.grown(PART)
        assert None is other._thread
        assert [] == self._there()
        self.path.unlink()

    def test_stopped(self) -> None:
        """Who gives up the adoption does not wait for the upload."""
        self.path.write_bytes(DATA)
        gate, stop = Event(), Event()
        bucket = self.storage._bucket
        put = bucket._put

        def slow(sha256: str, body: Any, **how: Any) -> None:
            gate.wait(10)
            put(sha256, body, **how)

        bucket._put = slow
        follower = self._follower()
        follower.grown(len(DATA))
        results: list[bool] = []
        thread = Thread(target=lambda: results.append(follower.finish(stop)))
        thread.start()
        stop.set()
        while not follower._stop.is_set():
            thread.join(0.01)
        gate.set()
        thread.join()
        assert ([False], []) == (results, self._there())
        self.path.unlink()

    def test_writer(self) -> None:
        """A writer that knows what is to come uploads before the commit; what is wrong never appears."""
        for sha256 in (NO, SHA):
            writer = self.storage.writer(sha256=sha256, size=len(DATA))
            settle(writer.begin(head()))
            for start in range(0, len(DATA), 1 << 20):
                writer.write(DATA[start : start + (1 << 20)])
            assert self.began.wait(30)
            self.began.clear()
            assert [] == self._there()
            if sha256 == NO:
                with pytest.raises(DigestMismatch):
                    settle(writer.commit(REPORT))
            else:
                settle(writer.commit(REPORT))
        assert [NO, SHA] == self.puts
        assert None is result_of(self.storage.check(SHA, len(DATA)))
