"""Where a file goes, and what stands beside it meanwhile."""

from __future__ import annotations

import os
import stat
from errno import EACCES, EDQUOT, ENOSPC
from pathlib import Path

import pytest

from twisted_pulp.errors import PathError, StorageFull, WriterError
from twisted_pulp.names import JOURNAL, PARTIAL
from twisted_pulp.transfer import Place, Tree, writer_error
from twisted_pulp.transfer._tree import _made


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


# Trees


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A tree that is not there yet."""
    return Tree(str(tmp_path / "root"))


def test_tree(tree: Tree, tmp_path: Path) -> None:
    """Files go below the root, and directories are made."""
    for name in ("a", "d/b", "d/e/c", "d/e/c2", "caf\u0065\u0301/x", "caf\u00e9"):
        place = tree.place(name)
        place.put(name.encode())
        assert place.path.startswith(str(tmp_path / "root/"))
        place.release()
        place.release()
        if name == "caf\u0065\u0301/x":
            (tmp_path / "root/caf\u00e9/x").unlink()
            tree.close()
            (tmp_path / "root/caf\u00e9").rmdir()
    tree.close()
    files = sorted(
        str(path.relative_to(tmp_path / "root")) for path in (tmp_path / "root").rglob("*") if path.is_file()
    )
    assert ["a", "caf\u00e9", "d/b", "d/e/c", "d/e/c2"] == files


def test_tree_work(tree: Tree, tmp_path: Path) -> None:
    """Everything a place does, it does in its open directory."""
    place = tree.place("d/file")
    file = place.open_partial()
    os.write(file, b"x")
    os.close(file)
    place.rename(place.partial)
    place.replace(place.journal, b"{}")
    assert b"{}" == place.read(place.journal, 10)
    place.unlink(place.journal)
    other = tmp_path / "other"
    other.write_bytes(b"y")
    place.link_from(str(other), symbolic=False)
    place.rename(place.partial)
    assert b"y" == (tmp_path / "root/d/file").read_bytes()
    with pytest.raises(FileNotFoundError):
        place.open("missing", os.O_RDONLY)
    place.release()
    tree.close()


@pytest.mark.parametrize("name", ["../x", "/x", "d/../x", ""])
def test_tree_left(tree: Tree, name: str) -> None:
    """No name leads out of the tree."""
    with pytest.raises(PathError):
        tree.place(name)


def test_tree_links(tree: Tree, tmp_path: Path) -> None:
    """A link below the root is not followed, not even one that was put there meanwhile."""
    tree.place("d/x").release()
    (tmp_path / "outside").mkdir()
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    with pytest.raises(PathError):
        tree.place("link/x")
    place = tree.place("d/x")
    (tmp_path / "root/d").rename(tmp_path / "root/moved")
    (tmp_path / "root/d").symlink_to(tmp_path / "outside")
    place.put(b"x")
    assert [] == names(tmp_path / "outside")
    place.release()
    tree.close()


def test_tree_file_in_the_way(tree: Tree, tmp_path: Path) -> None:
    """Where a file is, no directory can be."""
    tree.place("x").put(b"")
    with pytest.raises(PathError, match="root/x"):
        tree.place("x/y")
    tree.close()


def test_tree_full(tmp_path: Path) -> None:
    """A full disk is said to be full."""

    class Full(Tree):
        def _folder(self, parts: tuple[str, ...]) -> object:  # type: ignore[override]
            raise OSError(ENOSPC, "no space")

    with pytest.raises(StorageFull):
        Full(str(tmp_path)).place("x")


def test_tree_made_meanwhile(tree: Tree, tmp_path: Path) -> None:
    """A directory that somebody else makes at the same time is as good as ours."""

    def use() -> str:
        return (tmp_path / "d").read_text()

    def make() -> None:
        (tmp_path / "d").write_text("theirs")
        raise FileExistsError

    assert "theirs" == _made(use, make)


def test_tree_holds_few(tree: Tree, tmp_path: Path) -> None:
    """However many directories there are, few are held open, and those in use stay."""
    used = tree.place("used/file")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(400):
        tree.place(f"d{number}/file").release()
    assert len(os.listdir("/proc/self/fd")) - before < 150
    used.put(b"x")
    used.release()
    tree.close()
    assert b"x" == (tmp_path / "root/used/file").read_bytes()
