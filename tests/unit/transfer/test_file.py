"""A file as a consumer: where its bytes are hashed, and what happens when the disk does not play along."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.fakes import Producer, Threads, done, head, result_of
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import PathError
from twisted_pulp.transfer import FileTarget, Place
from twisted_pulp.transfer._file import SMALL as SMALL_BODY
from twisted_pulp.transfer._partial import Partial
from twisted_pulp.transfer._range import Version

VERSION = Version("http://h/f", '"v1"', None)
REPORT = DownloadReport(url="http://h/f")
BODY = bytes(range(256)) * 8192  # 2 MiB
OTHER = BODY[::-1]
LARGE, SMALL = 64 << 10, 16 << 10  # pieces

Told = list[tuple[int, bool]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Offset of each write to a partial file, and whether it was hashed elsewhere."""
    told: Told = []
    write = Partial.write

    def heard(self: Partial, pieces: list[bytes], offset: int, size: int, hashed: bool = False) -> None:
        told.append((offset, hashed))
        write(self, pieces, offset, size, hashed)

    monkeypatch.setattr(Partial, "write", heard)
    return told


@pytest.fixture
def threads() -> Threads:
    """Threads that work when the test says so."""
    return Threads(late=True)


def made(directory: Path, threads: Threads) -> FileTarget:
    """Return the target of a file in *directory*."""
    return FileTarget(Place.at(str(directory / "file")), threads, {"sha256", "md5"})  # type: ignore[arg-type]


def give(target: FileTarget, body: bytes, piece: int, offset: int = 0, until: int | None = None) -> None:
    """Let *body* come from *offset* on, in pieces; *until* its end or earlier."""
    target.begin(head(offset, len(body)), VERSION)
    until = len(body) if until is None else until
    for start in range(offset, until, piece):
        target.write(body[start : min(start + piece, until)])


def finish(target: FileTarget, threads: Threads) -> None:
    """Let the threads come to the end of what they were given."""
    finished = target.finish()
    threads.work()
    assert finished is not None
    assert None is result_of(finished)


def check(target: FileTarget, threads: Threads, body: bytes) -> None:
    """Let the file take its name, and compare it and its digests with *body*."""
    finish(target, threads)
    assert (None, len(body)) == (target.error, target.size)
    assert {name: hashlib.new(name, body).hexdigest() for name in ("sha256", "md5")} == target.values()
    threads.late = False
    target.commit(REPORT, False)
    done(target.close(keep=False, committed=True))
    assert body == Path(target.place.path).read_bytes()


def where(told: Told) -> list[bool]:
    """Return whether the writes were hashed elsewhere, without those that follow one of the same kind."""
    hashed = [each for _, each in told]
    return [each for number, each in enumerate(hashed) if not number or hashed[number - 1] != each]


@pytest.mark.parametrize(
    ("piece", "here"), [(LARGE, True), (32 << 10, True), ((32 << 10) - 1, False), (SMALL, False), (4 << 20, True)]
)
def test_hashed(tmp_path: Path, threads: Threads, told: Told, piece: int, here: bool) -> None:
    """A file alone is hashed on this thread if its pieces are large, and by the writer's otherwise."""
    target = made(tmp_path, threads)
    give(target, BODY, piece)
    check(target, threads, BODY)
    assert [here] == where(told)


def test_hashed_at_once(tmp_path: Path, threads: Threads) -> None:
    """What this thread hashes is hashed before the writer's comes to it."""
    target = made(tmp_path, threads)
    give(target, BODY, LARGE)
    assert hashlib.sha256(BODY).hexdigest() == target.values()["sha256"]
    check(target, threads, BODY)


def test_not_alone(tmp_path: Path, threads: Threads, told: Told) -> None:
    """Of several files none is hashed on this thread, not even when the others are done."""
    threads.active = 1
    target = made(tmp_path, threads)
    give(target, BODY, LARGE, until=1 << 20)
    threads.active -= 1
    give(target, BODY, LARGE, offset=1 << 20)
    check(target, threads, BODY)
    assert [False] == where(told)
    assert 0 == threads.active


def test_second_file(tmp_path: Path, threads: Threads, told: Told) -> None:
    """Who began alone goes on so when a second file comes, which the writer's thread hashes."""
    (tmp_path / "d").mkdir()
    one, two = made(tmp_path, threads), made(tmp_path / "d", threads)
    give(one, BODY, LARGE, until=1 << 20)
    give(two, OTHER, LARGE)
    finish(two, threads)
    assert {(0, True), (0, False)} <= set(told)
    told.clear()
    give(one, BODY, LARGE, offset=1 << 20)
    check(one, threads, BODY)
    assert [True] == where(told)
    check(two, threads, OTHER)


@pytest.mark.parametrize("work", [True, False], ids=["written", "waiting"])
@pytest.mark.parametrize(("first", "second"), [(LARGE, SMALL), (SMALL, LARGE), (LARGE, LARGE), (SMALL, SMALL)])
def test_again(tmp_path: Path, threads: Threads, told: Told, first: int, second: int, work: bool) -> None:
    """A retry from 0 forgets what came, and decides anew who hashes, be the first try written by then or not."""
    target = made(tmp_path, threads)
    give(target, OTHER, first, until=1_500_000)
    if work:
        finish(target, threads)
    give(target, BODY, second)
    check(target, threads, BODY)
    assert ([first == LARGE] if first == second else [first == LARGE, second == LARGE]) == where(told)


@pytest.mark.parametrize(("first", "second"), [(LARGE, SMALL), (SMALL, LARGE), (LARGE, LARGE)])
def test_resumed(tmp_path: Path, threads: Threads, told: Told, first: int, second: int) -> None:
    """A retry that goes on is hashed where the first bytes were, whatever its pieces are."""
    target = made(tmp_path, threads)
    give(target, BODY, first, until=1_500_000)
    finish(target, threads)
    assert 1_500_000 == target.size
    give(target, BODY, second, offset=target.size)
    check(target, threads, BODY)
    assert [first == LARGE] == where(told)


def test_taken_up(tmp_path: Path, told: Told) -> None:
    """What an earlier run has left was read by the writer's thread, which hashes the rest too."""
    threads = Threads()
    target = made(tmp_path, threads)
    give(target, BODY, LARGE, until=1_500_000)
    finish(target, threads)
    done(target.close(keep=True))
    told.clear()
    target = made(tmp_path, threads)
    version = done(target.adopt(lambda journal: True))
    assert ("http://h/f", '"v1"', 1_500_000) == (version.url, version.validator, target.size)
    give(target, BODY, LARGE, offset=1_500_000)
    check(target, threads, BODY)
    assert [False] == where(told)


def test_link_after_bytes(tmp_path: Path, threads: Threads) -> None:
    """The digests of a link are those of its file, and not of the bytes that came before."""
    source = tmp_path / "source"
    source.write_bytes(OTHER)
    target = made(tmp_path, threads)
    give(target, BODY, LARGE)
    finish(target, threads)
    threads.late = False
    done(target.link(str(source), symbolic=True))
    check(target, threads, OTHER)
    assert source == (tmp_path / "file").readlink()


def test_link_fails(tmp_path: Path) -> None:
    """What cannot be linked to has no bytes, and the target says so."""
    target = made(tmp_path, Threads())
    done(target.link(str(tmp_path / "missing"), symbolic=False))
    assert ("No such file" in str(target.error), 0) == (True, target.size)
    done(target.close(keep=True))
    assert [] == list(tmp_path.iterdir())


def test_disk_fails_meanwhile(tmp_path: Path, threads: Threads) -> None:
    """A body whose bytes nobody can write any more is stopped, with the first error."""
    (tmp_path / ".file.pulp-part").mkdir()
    target, producer = made(tmp_path, threads), Producer()
    target.begin(head(0, len(BODY)), VERSION)
    target.registerProducer(producer, True)
    target.write(BODY[: 1 << 20])
    assert (False, None) == (producer.stopped, target.error)
    threads.work()
    assert isinstance(target.error, PathError)
    assert producer.stopped
    threads.late = False
    done(target.close(keep=False))
    os.rmdir(tmp_path / ".file.pulp-part")


@pytest.mark.parametrize("taken", [True, False])
def test_put(tmp_path: Path, taken: bool) -> None:
    """A small file goes where it is put, and is reported there; if it is not taken, it goes to its place."""
    told: list[tuple[str, bytes]] = []

    def put(sha256: str, data: bytes) -> str | None:
        told.append((sha256, data))
        return "/elsewhere" if taken else None

    place = Place.at(str(tmp_path / "file"))
    target = FileTarget(place, Threads(), {"sha256"}, SMALL_BODY, True, put)  # type: ignore[arg-type]
    target.begin(head(0, 3), VERSION)
    for piece in (b"a", b"bc"):
        target.write(piece)
    assert None is target.finish()
    report = DownloadReport(url="http://h/f", path=place.path, digests=target.values())
    assert None is target.commit(report, False)
    assert None is target.close(keep=False, committed=True)
    assert [(hashlib.sha256(b"abc").hexdigest(), b"abc")] == told
    assert ("/elsewhere" if taken else place.path) == report.path
    assert ([] if taken else ["file"]) == os.listdir(tmp_path)
