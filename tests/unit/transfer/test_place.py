"""Where a file goes, and what stands beside it meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from errno import EACCES, EDQUOT, ENOSPC
from pathlib import Path

import pytest

from twisted_pulp.errors import PathError, StorageFull, WriterError
from twisted_pulp.names import JOURNAL, PARTIAL
from twisted_pulp.transfer import Place, _place, writer_error
from twisted_pulp.transfer._place import Folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The place of a file in an empty directory."""
    return Place.at(str(tmp_path / "file"))


def names(directory: Path) -> list[str]:
    """Return everything in *directory*."""
    return sorted(os.listdir(directory))


def test_names(place: Place, tmp_path: Path) -> None:
    """What stands beside a file is hidden and called after it."""
    assert str(tmp_path / "file") == place.path
    assert (".file" + PARTIAL, ".file" + JOURNAL) == (place.partial, place.journal)
    assert str(tmp_path / place.partial) == place.beside(place.partial)


def test_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name alone is in the working directory."""
    monkeypatch.chdir(tmp_path)
    here = Place.at("file")
    here.put(b"x")
    assert ("file", ".file" + PARTIAL, b"x") == (here.path, here.beside(here.partial), (tmp_path / "file").read_bytes())
    with pytest.raises(FileNotFoundError):
        here.open("other", os.O_RDONLY)


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "\udcff" * 255])
def test_long_names(tmp_path: Path, name: str) -> None:
    """The longest names there are leave room for the marks, and stay apart."""
    place, other = Place(str(tmp_path), name), Place(str(tmp_path), name[:-1] + "y")
    for each in (place.partial, place.journal):
        assert len(os.fsencode(each)) <= 255
    assert place.partial != other.partial
    os.close(place.open_partial())
    place.unlink(place.partial)


@pytest.mark.parametrize("path", ["", "/", "d/", ".", "..", "d/.", "d/..", "d/\0", "x" + PARTIAL, "d/x" + JOURNAL])
def test_no_file(path: str) -> None:
    """What cannot be a file's path is refused."""
    with pytest.raises(PathError):
        Place.at(path)


def test_put(place: Place, tmp_path: Path) -> None:
    """A file is put in its place as a whole, over what was there, with the usual mode."""
    mask = os.umask(0o022)
    try:
        place.put(b"old")
        place.put(b"new")
    finally:
        os.umask(mask)
    assert (b"new", ["file"]) == (Path(place.path).read_bytes(), names(tmp_path))
    assert 0o644 == stat.S_IMODE(Path(place.path).stat().st_mode)


def test_put_nothing(place: Place) -> None:
    """An empty file is a file."""
    place.put(b"")
    assert b"" == Path(place.path).read_bytes()


def test_put_makes_directories(tmp_path: Path) -> None:
    """Missing directories are made."""
    Place.at(str(tmp_path / "a/b/file")).put(b"x")
    assert b"x" == (tmp_path / "a/b/file").read_bytes()


def test_put_fails(place: Place, tmp_path: Path) -> None:
    """What could not take its name leaves nothing."""
    Path(place.path).mkdir()
    with pytest.raises(IsADirectoryError):
        place.put(b"x")
    assert ["file"] == names(tmp_path)


def test_put_in_parts(place: Place) -> None:
    """A large body is written to its end."""
    body = os.urandom(3 << 20)
    place.put(body)
    assert body == Path(place.path).read_bytes()


def test_not_through_links(place: Place, tmp_path: Path) -> None:
    """A link in a file's place is replaced and not followed."""
    other = tmp_path / "other"
    other.write_bytes(b"theirs")
    Path(place.path).symlink_to(other)
    place.put(b"ours")
    assert (b"theirs", b"ours", False) == (
        other.read_bytes(),
        Path(place.path).read_bytes(),
        Path(place.path).is_symlink(),
    )


def test_partial_kept(place: Place) -> None:
    """A partial file is taken up as it was left."""
    file = place.open_partial()
    os.write(file, b"half")
    os.close(file)
    file = place.open_partial()
    assert b"half" == os.read(file, 10)
    os.close(file)
    place.unlink(place.partial)


@pytest.mark.parametrize("kind", ["symlink", "hard link", "fifo", "directory", "dangling"])
def test_partial_not_ours(place: Place, tmp_path: Path, kind: str) -> None:
    """What somebody else put in a partial file's place is not written to."""
    other, partial = tmp_path / "other", tmp_path / place.partial
    other.write_bytes(b"theirs")
    if kind == "symlink":
        partial.symlink_to(other)
    elif kind == "hard link":
        partial.hardlink_to(other)
    elif kind == "fifo":
        os.mkfifo(partial)
    elif kind == "directory":
        partial.mkdir()
    else:
        partial.symlink_to(tmp_path / "missing")
    with pytest.raises(PathError):
        place.open_partial()
    assert b"theirs" == other.read_bytes()
    assert not (tmp_path / "missing").exists()
    if kind != "directory":
        partial.unlink()
    else:
        partial.rmdir()


def test_partial_disk_full(place: Place) -> None:
    """A full disk is no mistake of the path's."""

    class Full(Place):
        def open(self, name: str, flags: int, mode: int = 0o666) -> int:
            raise OSError(ENOSPC, "no space")

    with pytest.raises(OSError, match="no space"):
        Full("/d", "f").open_partial()


def test_stat(place: Place, tmp_path: Path) -> None:
    """Facts are those of the name itself, and of nothing there are none."""
    assert (None, False) == (place.stat("file"), place.exists("file"))
    Path(place.path).symlink_to(tmp_path / "missing")
    facts = place.stat("file")
    assert facts is not None
    assert stat.S_ISLNK(facts.st_mode)
    assert None is Place.at(str(tmp_path / "missing/x")).stat("x")


def test_stat_gone(tmp_path: Path) -> None:
    """A file that goes away between two looks was not there."""

    class Seen(Place):
        def exists(self, name: str) -> bool:
            return True

    assert None is Seen(str(tmp_path), "file").stat("file")


def test_read(place: Place, tmp_path: Path) -> None:
    """Small files are read up to a limit; what is no file is not read."""
    Path(place.path).write_bytes(b"0123")
    assert (b"0123", b"01", None) == (place.read("file", 10), place.read("file", 2), place.read("missing", 2))
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(place.path)
    (tmp_path / "directory").mkdir()
    assert [None] * 3 == [place.read(name, 10) for name in ("fifo", "link", "directory")]


def test_replace(place: Place, tmp_path: Path) -> None:
    """Small files are replaced at once, and only their owner reads them."""
    place.replace("note", b"1")
    place.replace("note", b"2")
    assert (b"2", ["note"], 0o600) == (
        (tmp_path / "note").read_bytes(),
        names(tmp_path),
        stat.S_IMODE((tmp_path / "note").stat().st_mode),
    )


@pytest.mark.parametrize("symbolic", [True, False])
def test_link(place: Place, tmp_path: Path, symbolic: bool) -> None:
    """A partial file can be a link to another, which takes the place of what was there."""
    other = tmp_path / "other"
    other.write_bytes(b"x")
    place.put(b"old")
    place.link_from(str(other), symbolic)
    assert b"old" == Path(place.path).read_bytes()
    place.rename(place.partial)
    assert (b"x", symbolic) == (Path(place.path).read_bytes(), Path(place.path).is_symlink())
    assert ["file", "other"] == names(tmp_path)


def test_link_makes_directories(tmp_path: Path) -> None:
    """Missing directories are made for links too."""
    (tmp_path / "other").write_bytes(b"x")
    place = Place.at(str(tmp_path / "a/b/file"))
    place.link_from(str(tmp_path / "other"), symbolic=True)
    place.rename(place.partial)
    assert b"x" == (tmp_path / "a/b/file").read_bytes()


def test_unlink(place: Place) -> None:
    """To remove what is not there is nothing."""
    place.put(b"x")
    place.unlink("file")
    place.unlink("file")
    assert not place.exists("file")


@pytest.mark.parametrize(("number", "kind"), [(ENOSPC, StorageFull), (EDQUOT, StorageFull), (EACCES, WriterError)])
def test_writer_error(number: int, kind: type[WriterError]) -> None:
    """An error of the disk says which file, and whether space is what is missing."""
    error = writer_error(OSError(number, "words"), "/d/f")
    assert (kind, "/d/f: words") == (type(error), str(error))
    assert "/d/f: odd" == str(writer_error(OSError("odd"), "/d/f"))


# What is known without a look


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    """An empty directory, open."""
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_wanted(fd: int) -> None:
    """In a directory that was empty each name is surely free once."""
    folder = Folder(fd)
    assert [True, True, False, False] == [folder.wanted(name) for name in ("a", "b", "a", "b")]
    assert (fd, 0) == (folder.fd, folder.users)


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_wanted_not_empty(fd: int, tmp_path: Path, kind: str) -> None:
    """In a directory with anything in it nothing is sure."""
    there = tmp_path / ".there"
    if kind == "file":
        there.write_bytes(b"")
    elif kind == "directory":
        there.mkdir()
    else:
        there.symlink_to("nowhere")
    assert not Folder(fd).wanted("a")


def test_wanted_many(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many names none is remembered, and then nothing is sure any more."""
    monkeypatch.setattr(_place, "_NAMES", 3)
    folder = Folder(fd)
    assert [True, True, True, False, False] == [folder.wanted(name) for name in "abcde"]


def test_unused(fd: int, tmp_path: Path) -> None:
    """A name of which a place made no use is surely free again; one that was never sure is not."""
    folder = Folder(fd)
    one, two = (Place(str(tmp_path), "a", folder, folder.wanted("a")) for _ in range(2))
    two.leave()
    assert not folder.wanted("a")
    one.leave()
    assert folder.wanted("a")


def test_unused_not_empty(fd: int, tmp_path: Path) -> None:
    """Where nothing is sure, nothing becomes so; nor without a folder."""
    (tmp_path / "there").write_bytes(b"")
    folder = Folder(fd)
    for place in (Place(str(tmp_path), "a", folder, True), Place(str(tmp_path), "a", free=True)):
        place.leave()
    assert not folder.wanted("a")


def test_free(place: Place) -> None:
    """A name is free until something has it, be it a link to nowhere."""
    assert place.free
    Path(place.path).symlink_to("nowhere")
    assert not place.free


def test_free_before(tmp_path: Path) -> None:
    """A name that is known to be free is not looked at."""
    place = Place(str(tmp_path), "file", free=True)
    Path(place.path).write_bytes(b"")
    assert place.free


def test_claim(tmp_path: Path) -> None:
    """A path is one place's until that is released."""
    claimed: set[str] = set()
    one, two, other = (Place(str(tmp_path), name) for name in ("f", "f", "g"))
    assert [True, False, True] == [each.claim(claimed) for each in (one, two, other)]
    two.release()  # it has nothing that it could give back
    assert {one.path, other.path} == claimed
    one.release()
    assert {other.path} == claimed
    assert two.claim(claimed)
    one.release()
    assert {two.path, other.path} == claimed


def test_claim_in_folder(fd: int, tmp_path: Path) -> None:
    """A place that cannot have its path needs its directory no more."""
    folder, claimed = Folder(fd), set[str]()
    one, two = Place(str(tmp_path), "f", folder), Place(str(tmp_path), "f", folder)
    folder.users = 2
    assert [(True, 2), (False, 1)] == [(each.claim(claimed), folder.users) for each in (one, two)]
    one.release()
    two.release()
    assert (0, set()) == (folder.users, claimed)
