"""A directory that nothing leaves."""

from __future__ import annotations

import os
from errno import ENOSPC
from pathlib import Path

import pytest

from twisted_pulp.errors import PathError, StorageFull
from twisted_pulp.transfer import Tree
from twisted_pulp.transfer._tree import _made


def names(directory: Path) -> list[str]:
    """Return everything in *directory*."""
    return sorted(os.listdir(directory))


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


def test_tree_free(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In directories that the tree made, a name that is wanted for the first time is free without a look."""
    with monkeypatch.context() as patch:
        patch.delattr(os, "access")
        for name in ("a", "d/a", "d/b"):
            assert tree.place(name).free
    again = tree.place("d/a")
    assert again.free
    (tmp_path / "root/d/a").write_bytes(b"")
    assert not again.free
    tree.close()


def test_tree_not_empty(tree: Tree, tmp_path: Path) -> None:
    """What was in a directory before is not free."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root/a").write_bytes(b"")
    assert [False, True] == [tree.place(name).free for name in "ab"]
    tree.close()
