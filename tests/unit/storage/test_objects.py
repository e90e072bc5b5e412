"""An object store as storage, in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError, PermissionDeniedError
from obstore.store import LocalStore, MemoryStore
from twisted.internet.defer import execute

from tests.contracts import WriterContract
from tests.fakes import result_of
from tests.unit.storage.contract import NO, REPORT, StorageContract, adoption, digest, drained, settle, store
from twisted_pulp.errors import StorageDamaged, StorageError, StorageRefused, StorageUnavailable
from twisted_pulp.interfaces import Adoption
from twisted_pulp.storage import ObjectStorage
from twisted_pulp.storage._bucket import Bucket, Stream
from twisted_pulp.storage._location import Location


def opened(spool: Path, store: Any) -> Any:
    """Return an object storage in *store* whose threads do everything at once."""
    return result_of(ObjectStorage.open(None, "s3://bucket/prefix", spool, in_thread=execute, store=store))  # type: ignore[arg-type]


class TestObjectStorage(StorageContract):
    """The contract, and what is its own."""

    @pytest.fixture(autouse=True)
    def _storage(self, object_runtime: None, tmp_path: Path) -> Iterator[None]:
        self.store = MemoryStore()
        self.storage = opened(tmp_path / "storage", self.store)
        yield
        result_of(self.storage.close())
        assert [] == os.listdir(tmp_path / "storage" / "tmp")

    def test_kept_where(self) -> None:
        """An artifact has a key of its digest; what else is in the bucket is left alone."""
        sha = store(self.storage, b"abc")
        obstore.put(self.store, "artifact/readme", b"?")
        assert [sha] == [each for each, _, _ in drained(self.storage.each())]
        assert b"abc" == bytes(obstore.get(self.store, f"artifact/{sha[:2]}/{sha[2:]}").bytes())

    def test_linked(self) -> None:
        """A file that others have too is proven while it is uploaded."""
        good, bad = adoption(self.storage, b"good"), adoption(self.storage, b"bad")
        wrong = Adoption(bad.path, NO, 3)
        for file in (good, bad):
            os.link(file.path, f"{file.path}.link")
        found = result_of(self.storage.adopt([good, wrong]))
        assert (None, StorageDamaged) == (found[0], type(found[1]))
        assert {good.sha256} == result_of(self.storage.has([good.sha256, NO]))
        for left in (f"{good.path}.link", f"{bad.path}.link", bad.path):
            os.unlink(left)

    def test_no_links(self) -> None:
        """There is nothing to link to."""
        sha = store(self.storage, b"abc")
        for mode in ("reflink", "hardlink"):
            with pytest.raises(StorageError, match="no files to link to"):
                result_of(self.storage.export(sha, "x", mode=mode))

    def test_wrong_size_mended(self) -> None:
        """What is in the place of an artifact and has another size gives way."""
        sha = digest(b"abc")
        obstore.put(self.store, f"artifact/{sha[:2]}/{sha[2:]}", b"?")
        store(self.storage, b"abc")
        assert b"abc" == result_of(self.storage.read(sha))
        writer = self.storage.writer()
        obstore.put(self.store, f"artifact/{sha[:2]}/{sha[2:]}", b"?")
        writer.write(b"abc")
        settle(writer.commit(REPORT))
        assert b"abc" == result_of(self.storage.read(sha))

    def test_old_stored_again(self) -> None:
        """An artifact that was stored long ago is written anew: a cleanup may be about to remove it."""
        sha = store(self.storage, b"abc")
        [(_, _, first)] = drained(self.storage.each())
        self.storage._uploads._now = lambda: first + 3600
        store(self.storage, b"abc")
        [(_, _, second)] = drained(self.storage.each())
        assert first < second
        self.storage._uploads._now = lambda: second + 10
        store(self.storage, b"abc")
        assert [(sha, 3, second)] == drained(self.storage.each())

    def test_large(self) -> None:
        """A large file goes in parts; again, or as another's, it changes nothing."""
        data = os.urandom(9 << 20)
        sha = store(self.storage, data)
        assert None is result_of(self.storage.check(sha, len(data)))
        when = drained(self.storage.each())
        assert sha == store(self.storage, data)
        assert when == drained(self.storage.each())
        file = adoption(self.storage, data, "repaired")
        assert [None] == result_of(self.storage.adopt([file], replace=True))
        assert None is result_of(self.storage.check(sha, len(data)))
        wrong = bytearray(data)
        wrong[-1] ^= 1
        obstore.put(self.store, f"artifact/{sha[:2]}/{sha[2:]}", bytes(wrong))
        assert "flipped" == result_of(self.storage.check(sha, len(data)))

    def test_exported_damaged(self, tmp_path: Path) -> None:
        """What is not the artifact any more is not exported."""
        sha = store(self.storage, b"abc")
        obstore.put(self.store, f"artifact/{sha[:2]}/{sha[2:]}", b"abd")
        with pytest.raises(StorageDamaged):
            result_of(self.storage.export(sha, tmp_path / "x"))
        assert not (tmp_path / "x").exists()

    def test_signed(self, tmp_path: Path) -> None:
        """A URL for clients is signed where that is wanted, for a while."""
        url = "s3://bucket/prefix?redirect=true&expires=60&endpoint=https://h&access_key_id=me&secret_access_key=S3CR3T"
        location = Location.parsed(url)
        bucket = Bucket(location)
        found = bucket.sign(NO, 60)
        assert found.startswith(f"https://h/bucket/prefix/artifact/00/{NO[2:]}?")
        assert "X-Amz-Expires=60" in found
        assert "S3CR3T" not in found + repr(bucket)

    def test_repr(self) -> None:
        """It shows where it is, and how much waits."""
        assert "<ObjectStorage s3://bucket/prefix running=0 waiting=0>" == repr(self.storage)


class Broken:
    """Calls of obstore that fail so often before they do what they should."""

    def __init__(self, times: int, error: Exception) -> None:
        self.times, self.error = times, error

    def __call__(self) -> str:
        self.times -= 1
        if self.times >= 0:
            raise self.error
        return "done"


class TestBucket:
    """Calls that are tried again."""

    @pytest.fixture(autouse=True)
    def _bucket(self, object_runtime: None) -> None:
        self.bucket = Bucket(Location.parsed("s3://bucket?patience=1"), MemoryStore())
        self.paused: list[float] = []
        self.bucket._pause = lambda delay, stop: self.paused.append(delay)  # type: ignore[method-assign]

    def test_again(self) -> None:
        """What passes is tried again, with growing pauses, and forgotten when it is well."""
        assert "done" == self.bucket.attempt(Broken(3, GenericError("x")), patience=60)
        assert [0.1, 0.2, 0.4] == self.paused
        assert None is self.bucket.trouble

    def test_patience(self) -> None:
        """What does not pass is told after a while."""
        with pytest.raises(StorageUnavailable):
            self.bucket.attempt(Broken(99, GenericError("x")))
        assert 1 <= len(self.paused) <= 4
        assert "s3://bucket is out of reach: x" == self.bucket.trouble

    def test_final(self) -> None:
        """What is final is told at once."""
        with pytest.raises(StorageRefused):
            self.bucket.attempt(Broken(1, PermissionDeniedError("x")))
        assert [] == self.paused

    def test_stopped(self) -> None:
        """Who does not want it any more is told at once, and so is everybody at the end."""
        stop = Event()
        stop.set()
        with pytest.raises(StorageUnavailable):
            self.bucket.attempt(Broken(99, GenericError("x")), stop=stop, patience=60)
        self.bucket.close()
        with pytest.raises(StorageError, match="closed"):
            self.bucket.attempt(Broken(0, GenericError("x")))
        assert [] == self.paused

    def test_changed(self) -> None:
        """A body whose artifact changed while it was read is damaged."""
        self.bucket.create(NO, b"x" * 100)
        stream = Stream(self.bucket, NO, 0, None)
        stream._body = None
        self.bucket.replace(NO, lambda: iter((b"y",)), 1)
        with pytest.raises(StorageDamaged, match="from 100 to 1 bytes"):
            stream.take(10)


def test_removed_by_others(object_runtime: None, tmp_path: Path) -> None:
    """What somebody else has removed meanwhile keeps nothing else from being removed, where a store minds."""
    bucket = Bucket(Location.parsed("s3://bucket?patience=1"), LocalStore(tmp_path))
    names = [digest(b"%d" % number) for number in range(3)]
    for name in names[::2]:
        bucket.create(name, b"x")
    bucket.remove(names)
    assert set() == bucket.heads(names)
    bucket.remove(names[:1])


class TestObjectWriter(WriterContract):
    """The contract of writers."""

    @pytest.fixture(autouse=True)
    def _storage(self, object_runtime: None, tmp_path: Path) -> Iterator[None]:
        self.storage = opened(tmp_path, MemoryStore())
        yield
        result_of(self.storage.close())

    def writer(self) -> object:
        return self.storage.writer()

    def test_committed(self) -> None:
        """What was written is there once the commit is done."""
        writer = self.writer()
        self._given(writer, b"ab", b"", b"c", length=3)
        settle(writer.commit(REPORT))  # type: ignore[attr-defined]
        assert b"abc" == self.written(writer)

    def written(self, writer: object) -> bytes | None:
        found = result_of(self.storage.has([digest(b"abc")]))
        return b"abc" if found else b""
