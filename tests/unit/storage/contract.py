"""What every storage keeps to, as a mixin for the tests of each."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from tests.fakes import Producer, head, result_of
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import Cancelled, DigestMismatch, NotStored, SizeMismatch, StorageDamaged, StorageError
from twisted_pulp.interfaces import Adoption, IStorage, IWriter, Recovered
from twisted_pulp.testing import SlowConsumer

REPORT = DownloadReport(url="http://h/f")
NO = "0" * 64


def digest(data: bytes) -> str:
    """Return the sha256 of *data*."""
    return sha256(data).hexdigest()


def adoption(storage: Any, data: bytes, name: str | None = None) -> Adoption:
    """Put *data* where a download would, and return what is to be said of it."""
    path = storage.temporary(name or digest(data))
    Path(path).write_bytes(data)
    return Adoption(path, digest(data), len(data))


def store(storage: Any, data: bytes) -> str:
    """Store *data*; return its sha256."""
    assert [None] == result_of(storage.adopt([adoption(storage, data)]))
    return digest(data)


def drained(iterator: Any) -> list[Any]:
    """Return all that an asynchronous *iterator* gives, which must not wait."""

    async def drain() -> list[Any]:
        return [each async for each in iterator]

    return result_of(Deferred.fromCoroutine(drain()))  # type: ignore[no-any-return]


class StorageContract:
    """
    The laws of `IStorage`.

    A test class has a fixture that sets `storage`, whose threads, if it has any, do everything at once.
    """

    storage: Any

    def test_interface(self) -> None:
        """A storage is an `IStorage`, and its writers are `IWriter`s."""
        assert verifyObject(IStorage, self.storage)
        assert verifyObject(IWriter, self.storage.writer())

    def test_adopted(self) -> None:
        """Adopted files are artifacts, and not in tmp any more."""
        files = [adoption(self.storage, data) for data in (b"one", b"two", b"")]
        assert [None] * 3 == result_of(self.storage.adopt(files))
        assert {each.sha256 for each in files} == result_of(self.storage.has([*(each.sha256 for each in files), NO]))
        assert [3, 3, 0] == [result_of(self.storage.size(each.sha256)) for each in files]
        assert b"two" == result_of(self.storage.read(files[1].sha256))
        assert not any(os.path.exists(each.path) for each in files)

    def test_adopted_nothing(self) -> None:
        """No files are no work."""
        assert [] == result_of(self.storage.adopt([]))

    def test_adopted_again(self) -> None:
        """A file that is an artifact already is dropped; one that was adopted meanwhile is no error."""
        store(self.storage, b"one")
        again = adoption(self.storage, b"one", "other")
        assert [None] == result_of(self.storage.adopt([again]))
        assert not os.path.exists(again.path)
        assert [None] == result_of(self.storage.adopt([again]))
        assert b"one" == result_of(self.storage.read(again.sha256))

    def test_adopted_twice(self) -> None:
        """Two files with the same bytes are one artifact."""
        files = [adoption(self.storage, b"one", name) for name in ("a", "b")]
        assert [None, None] == result_of(self.storage.adopt(files))
        assert [digest(b"one")] == [each[0] for each in drained(self.storage.each())]

    def test_adopted_in_part(self) -> None:
        """What cannot be adopted has an error in its place, and the others are adopted."""
        good, short = adoption(self.storage, b"good"), adoption(self.storage, b"short")
        missing = Adoption(self.storage.temporary("missing"), NO, 3)
        link = Adoption(self.storage.temporary("link"), digest(b"good"), 4)
        os.symlink(good.path, link.path)
        found = result_of(self.storage.adopt([Adoption(short.path, short.sha256, 99), missing, link, good]))
        assert [True, True, True, False] == [isinstance(each, StorageError) for each in found]
        assert {good.sha256} == result_of(self.storage.has([good.sha256, short.sha256, NO]))
        for left in (short.path, link.path):  # for whoever wants to look at them
            os.unlink(left)

    def test_adopted_replacing(self) -> None:
        """On request a new file takes the place of the artifact."""
        store(self.storage, b"one")
        file = adoption(self.storage, b"one", "repaired")
        assert [None] == result_of(self.storage.adopt([file], replace=True))
        assert not os.path.exists(file.path)
        assert b"one" == result_of(self.storage.read(file.sha256))

    def test_put(self) -> None:
        """What is put is an artifact at once, or not at all and nothing is done; again changes nothing."""
        for data in (b"one", b"two", b"", b"one"):
            path = self.storage.put(digest(data), data)
            assert ({digest(data)} if path else set()) == result_of(self.storage.has([digest(data)]))
            if path is not None:
                assert (data, self.storage.path(digest(data))) == (Path(path).read_bytes(), path)

    def test_put_what_is_stored(self) -> None:
        """An artifact that is there stays."""
        store(self.storage, b"one")
        self.storage.put(digest(b"one"), b"one")
        assert b"one" == result_of(self.storage.read(digest(b"one")))

    def test_put_refused(self) -> None:
        """Nothing but a digest becomes a path."""
        for name in ("../../../etc/passwd", "", digest(b"one").upper()):
            with pytest.raises(ValueError, match="sha256"):
                self.storage.put(name, b"one")

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", ".hidden", "a\0", "x" * 250, "a.pulp-part"])
    def test_temporary_refused(self, name: str) -> None:
        """Names that could be a path, or are others', are refused."""
        with pytest.raises(ValueError, match="name"):
            self.storage.temporary(name)

    def test_temporary(self) -> None:
        """The same name is the same path, and another is another."""
        assert self.storage.temporary("ab-1") == self.storage.temporary("ab-1")
        assert self.storage.temporary("ab-1") != self.storage.temporary("ab-2")

    def test_elsewhere_refused(self) -> None:
        """Files that are not in tmp are nobody's to adopt."""
        self.storage.temporary("a")
        with pytest.raises(ValueError, match="is not in"):
            self.storage.adopt([Adoption("/etc/hostname", NO, 1)])

    @pytest.mark.parametrize("name", ["", "ab", "g" * 64, "A" * 64, "0" * 63 + "\n", "../" + "0" * 61])
    def test_names_refused(self, name: str) -> None:
        """What is no sha256 in lower-case hex is refused at once, everywhere."""
        storage = self.storage
        temporary = storage.temporary("a")
        for call in (
            storage.size,
            storage.path,
            storage.read,
            storage.check,
            storage.url,
            lambda each: storage.has([each]),
            lambda each: storage.remove([each]),
            lambda each: storage.writer(sha256=each),
            lambda each: storage.produce(each, SlowConsumer(1)),
            lambda each: storage.export(each, "x"),
            lambda each: storage.adopt([Adoption(temporary, each, 0)]),
        ):
            with pytest.raises(ValueError, match="sha256"):
                call(name)

    def test_read(self) -> None:
        """A part can be read, fewer bytes come at the end, and what is not there is an error."""
        sha = store(self.storage, b"0123456789")
        assert b"234" == result_of(self.storage.read(sha, 2, 3))
        assert b"89" == result_of(self.storage.read(sha, 8, 10))
        assert b"" == result_of(self.storage.read(sha, 20))
        assert b"" == result_of(self.storage.read(sha, 0, 0))
        with pytest.raises(NotStored, match=NO):
            result_of(self.storage.read(NO))
        for wrong in ((-1, None), (0, -1)):
            with pytest.raises(ValueError, match="bytes at"):
                self.storage.read(sha, *wrong)

    def test_produced(self) -> None:
        """A consumer gets all, or the part that is wanted."""
        data = os.urandom(700_000)
        sha = store(self.storage, data)
        for offset, length in ((0, None), (1, 600_000), (699_999, None), (700_000, None), (5, 0)):
            consumer = SlowConsumer(1 << 20)
            wanted = data[offset:] if length is None else data[offset : offset + length]
            assert len(wanted) == result_of(self.storage.produce(sha, consumer, offset, length))
            assert wanted == bytes(consumer.written)
            consumer.registerProducer(Producer(), True)  # the one before has let go

    def test_produced_slowly(self) -> None:
        """A consumer that pauses gets no more until it resumes."""
        data = os.urandom(1 << 20)
        consumer = SlowConsumer(1)
        produced = self.storage.produce(store(self.storage, data), consumer)
        turns = 0
        while not produced.called:
            assert 256 << 10 == len(consumer.written) - turns * (256 << 10)
            turns += 1
            consumer.take()
        assert (1 << 20, data) == (result_of(produced), bytes(consumer.written))
        assert 0 == consumer.excess

    def test_produced_missing(self) -> None:
        """A consumer of what is not there is never bothered."""
        with pytest.raises(NotStored):
            result_of(self.storage.produce(NO, None))

    def test_produced_short(self) -> None:
        """More bytes than there are is damage."""
        sha = store(self.storage, b"abc")
        with pytest.raises(StorageDamaged):
            result_of(self.storage.produce(sha, SlowConsumer(9), 0, 4))

    def test_produced_stopped(self) -> None:
        """A consumer may end it, paused or not; to cancel ends it too."""
        sha = store(self.storage, bytes(1 << 20))
        for end in (lambda one, _: one._producer.stopProducing(), lambda _, produced: produced.cancel()):
            consumer = SlowConsumer(1)
            produced = self.storage.produce(sha, consumer)
            end(consumer, produced)
            with pytest.raises(CancelledError):
                result_of(produced)

    def test_checked(self) -> None:
        """What is as it was is fine; what is not there is missing."""
        sha = store(self.storage, b"abc")
        assert [None, None] == [result_of(self.storage.check(sha, size)) for size in (3, None)]
        assert "missing" == result_of(self.storage.check(NO, 3))
        assert "truncated" == result_of(self.storage.check(sha, 4))
        assert "flipped" == result_of(self.storage.check(sha, 2))

    def test_removed(self) -> None:
        """What is removed is gone, what was not there is not counted."""
        sha = store(self.storage, b"abc")
        kept = store(self.storage, b"abd")
        assert 1 == result_of(self.storage.remove([sha, NO, sha]))
        assert {kept} == result_of(self.storage.has([sha, kept]))
        assert None is result_of(self.storage.size(sha))
        assert 0 == result_of(self.storage.remove([sha]))

    def test_each(self) -> None:
        """Every artifact is listed, with size and time, in order."""
        wanted = sorted((store(self.storage, b"%d" % number), len(b"%d" % number)) for number in range(50))
        found = drained(self.storage.each())
        assert wanted == [(sha, size) for sha, size, _ in found]
        assert all(when > 1e9 for _, _, when in found)

    def test_written(self) -> None:
        """What a writer gets is an artifact once it is committed, and then it says which."""
        writer = self.storage.writer()
        writer.begin(head())
        writer.registerProducer(Producer(), True)
        for piece in (b"ab", b"", b"c"):
            writer.write(piece)
        writer.unregisterProducer()
        assert (None, None, set()) == (writer.sha256, writer.size, result_of(self.storage.has([digest(b"abc")])))
        settle(writer.commit(REPORT))
        assert (digest(b"abc"), 3) == (writer.sha256, writer.size)
        assert b"abc" == result_of(self.storage.read(digest(b"abc")))

    @pytest.mark.parametrize("count", [1, 40])
    def test_written_wrong(self, count: int) -> None:
        """Bytes that are not those that were announced are no artifact, whoever says so."""
        data = bytes(count << 15)
        writer = self.storage.writer(sha256=NO)
        for start in range(0, len(data), 1 << 15):
            writer.write(data[start : start + (1 << 15)])
        with pytest.raises(DigestMismatch, match=NO):
            settle(writer.commit(REPORT))
        short = self.storage.writer(size=len(data) + 1)
        short.write(data)
        with pytest.raises(SizeMismatch):
            settle(short.commit(REPORT))
        assert [] == drained(self.storage.each())

    def test_written_too_much(self) -> None:
        """More bytes than were announced are refused when they come."""
        writer = self.storage.writer(size=3)
        writer.write(b"abc")
        with pytest.raises(SizeMismatch):
            writer.write(b"d")
        settle(writer.abort(Cancelled()))

    def test_url(self) -> None:
        """Clients get artifacts from here, unless they are told otherwise."""
        assert None is result_of(self.storage.url(NO))

    def test_recovered(self) -> None:
        """Where nobody died there is nothing to do."""
        assert Recovered(0, 0, 0) == result_of(self.storage.recover())

    @pytest.mark.parametrize("mode", ["auto", "copy"])
    def test_exported(self, tmp_path: Path, mode: str) -> None:
        """An artifact comes to a path, whatever was there; it is the user's own file then."""
        sha = store(self.storage, b"abc")
        path = tmp_path / "some" / "where"
        result_of(self.storage.export(sha, path, mode=mode))
        assert b"abc" == path.read_bytes()
        path.write_bytes(b"changed")
        assert None is result_of(self.storage.check(sha, 3))
        result_of(self.storage.export(sha, path, mode=mode))
        assert b"abc" == path.read_bytes()
        assert ["where"] == os.listdir(path.parent)

    def test_exported_wrong(self, tmp_path: Path) -> None:
        """What is not there is not exported, nor to where nothing can be, nor in a way that there is not."""
        with pytest.raises(NotStored):
            result_of(self.storage.export(NO, tmp_path / "x"))
        sha = store(self.storage, b"abc")
        (tmp_path / "directory").mkdir()
        with pytest.raises(StorageError):
            result_of(self.storage.export(sha, tmp_path / "directory"))
        with pytest.raises(ValueError, match="mode"):
            self.storage.export(sha, tmp_path / "x", mode="move")
        assert ["directory"] == [each for each in os.listdir(tmp_path) if each != "storage"]

    def test_closed(self) -> None:
        """After a close nothing works any more, and a second close is nothing."""
        sha = store(self.storage, b"abc")
        result_of(self.storage.close())
        result_of(self.storage.close())
        with pytest.raises(StorageError, match="closed"):
            result_of(self.storage.read(sha))
        with pytest.raises(StorageError, match="closed"):
            self.storage.temporary("a")
        late = self.storage.writer()
        late.write(b"abc")
        with pytest.raises(StorageError, match="closed"):
            settle(late.commit(REPORT))

    def test_closed_meanwhile(self) -> None:
        """To close ends what waits for a consumer."""
        consumer = SlowConsumer(1)
        produced = self.storage.produce(store(self.storage, bytes(1 << 20)), consumer)
        closed = self.storage.close()
        with pytest.raises(Cancelled):
            result_of(produced)
        result_of(closed)


def settle(result: Deferred[None] | None) -> None:
    """Wait for *result*, if there is anything to wait for; it must not take time."""
    if result is not None:
        result_of(result)
